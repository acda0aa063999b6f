"""A certificate of made-up figures: every section, every verdict, an undefined figure, markup in a note."""

from __future__ import annotations

from model.certifying.report import SECTIONS, Certificate, Line, Section, Step, Verdict
from model.expressions import EXPRESSIONS
from model.measuring.estimate import Estimate

NOTE = "<b>not markup</b>"


def made_line(key: str, section: Section, verdict: Verdict, figure: Estimate) -> Line:
    steps = [Step(layers=layers, lowest=f"layer {layers}", similarity=Estimate(value=1 / layers, interval=(0.0, 1.0))) for layers in (1, 4)]
    undefined = Step(layers=7, lowest="layer 7", similarity=Estimate(value=None, interval=None))
    random = key == "weights"
    return Line(
        key=key,
        section=section,
        title=f"Title of {key}",
        unit="units",
        source="a paper",
        rule=f"rule of {key}",
        chance_title="control",
        figure=figure,
        chance=Estimate(value=0.125, interval=(0.0625, 0.25)),
        margin=Estimate(value=0.5, interval=(0.25, 0.75)),
        verdict=verdict,
        known_bad=Estimate(value=1.0, interval=(1.0, 1.0)) if random else None,
        note=NOTE,
        steps=(*steps, undefined) if random else (),
    )


def made_certificate(checkpoint: str, sha256: str) -> Certificate:
    figures: dict[Section, tuple[Verdict, Estimate]] = {
        "exactness": ("pass", Estimate(value=4.46e-7, interval=(3.6e-7, 5.4e-7))),
        "weights": ("pass", Estimate(value=0.2, interval=(0.1, 0.3))),
        "faithfulness": ("fail", Estimate(value=-0.2, interval=(-0.3, -0.1))),
        "mirror": ("undecided", Estimate(value=None, interval=None)),
        "plausibility": ("fail", Estimate(value=0.25, interval=(0.2, 0.3))),
    }
    return Certificate(
        checkpoint=checkpoint,
        sha256=sha256,
        network="dlib_resnet",
        maps="exact",
        dataset="ferplus",
        split="test",
        faces=14,
        faces_by_class=dict.fromkeys(EXPRESSIONS, 2),
        seed=1,
        draws=2000,
        command="unturned certify made.safetensors --data ferplus.zip",
        revision="0123456789abcdef",
        seconds=12.3,
        lines=tuple(made_line(section, section, *figures[section]) for section in SECTIONS),
    )
