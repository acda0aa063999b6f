"""What the mirror shows of a model, each figure with its control: other faces, symmetry, the sampling grid, changed answers."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from torch import nn

from model.certifying.judging import judged_line
from model.certifying.report import Line
from model.certifying.sample import Classifier, Sample
from model.classifier import PooledHead, PositionalHead
from model.maps.measures import RETRIEVAL_FACES, own_symmetry
from model.measuring.bootstrap import Floats
from model.measuring.mirror import mirror_figures

# Kinds of layers that are symmetric, or made so by symmetric kernels.
SYMMETRIC_KINDS = (nn.Conv2d, nn.BatchNorm2d, nn.PReLU, PooledHead, PositionalHead)
OWN_SHARE = 0.5
GRID_ASKED = 0.99
MOST_CHANGED = 0.1
CONSISTENCY_RULE = "pass: a map agrees better with its own mirror image's than with another face's (the mean difference is above 0)"
SYMMETRY_RULE = (
    "pass: a map agrees better with its mirror image's than with itself mirrored (flip consistency less own symmetry is above 0)"
)
FOUND_RULE = f"pass: more than {OWN_SHARE:.0%} of the maps have their own mirror image's as the nearest (this project's bound)"
GRID_RULE = (
    f"pass: at least {GRID_ASKED} where every kernel is symmetric, so that the sampling grid alone can disagree (this project's bound)"
)
CHANGED_RULE = f"pass: the answer changes in the mirror for fewer than {MOST_CHANGED:.0%} of the faces (this project's bound)"
CORRELATION = "Pearson correlation over the cells"
MEK = "Zhang et al., Leave No Stone Unturned, NeurIPS 2023; the controls are this project's"
GRID_SOURCE = "Alsallakh et al., Mind the Pad: CNNs Can Develop Blind Spots, ICLR 2021"


def mirror_lines(sample: Sample, seed: int) -> tuple[Line, ...]:
    """Flip consistency, own symmetry, own mirror found, the sampling grid, and changed answers."""
    seen = mirror_figures(sample.outputs)
    random = np.random.default_rng(seed).standard_normal(sample.outputs.maps.shape)
    grid = mirror_figures(sample.outputs_of(with_symmetric_kernels(sample.classifier)))
    changed_to_another = _changed_to_another(sample)
    among = min(RETRIEVAL_FACES, len(sample.faces))
    return (
        _line("consistency", "Flip consistency of the maps", CORRELATION, MEK, CONSISTENCY_RULE, "another face of the same answer",
              seen.consistency, seen.floor, seen.consistency - seen.floor),
        _line("symmetry", "Own symmetry: a map with itself mirrored", CORRELATION, MEK, SYMMETRY_RULE, "random maps",
              seen.symmetry, own_symmetry(random).astype(np.float64), seen.consistency - seen.symmetry),
        _line("found", f"Own mirror image found among {among} faces", "share of the maps", MEK, FOUND_RULE, f"one in {among}",
              seen.found, np.full_like(seen.found, 1 / among), seen.found - OWN_SHARE),
        _of_the_grid_alone(
            _line("grid", "Flip consistency that the sampling grid allows", CORRELATION, GRID_SOURCE, GRID_RULE,
                  "another face of the same answer", grid.consistency, grid.floor, grid.consistency - GRID_ASKED),
            sample,
        ),
        _line("changed", "Answers that change in the mirror", "share of the faces", MEK, CHANGED_RULE, "the answer to another face",
              seen.changed, changed_to_another, MOST_CHANGED - seen.changed),
    )  # fmt: skip


def _line(
    key: str, title: str, unit: str, source: str, rule: str, chance_title: str, figure: Floats, chance: Floats, margin: Floats
) -> Line:
    return judged_line(
        key=key,
        section="mirror",
        title=title,
        unit=unit,
        source=source,
        rule=rule,
        chance_title=chance_title,
        figure=figure,
        chance=chance,
        margin=margin,
    )


def with_symmetric_kernels(classifier: Classifier) -> Classifier:
    """A copy that learnt nothing asymmetric: every kernel averaged with its mirror image. Its maps of a mirrored face are the mirrored
    maps, unless the grid on which its layers sample lies off the picture's centre."""
    copy = deepcopy(classifier)
    for module in copy.modules():
        if isinstance(module, nn.Conv2d | PositionalHead):
            module.weight.data = (module.weight.data + module.weight.data.flip(-1)) / 2
    return copy


def _of_the_grid_alone(line: Line, sample: Sample) -> Line:
    """The line, which cannot fail where layers of other kinds (attention, full connection) may be asymmetric too."""
    used = [sample.classifier.get_submodule(name) for name in sample.layers]
    others = {type(layer).__name__ for layer in used if not isinstance(layer, SYMMETRIC_KINDS)}
    if not others or line.verdict != "fail":
        return line
    note = f"Not the grid's alone: the weights of {', '.join(sorted(others))} stay as they are."
    return line.model_copy(update={"verdict": "undecided", "note": note})


def _changed_to_another(sample: Sample) -> Floats:
    """1 where the next face's answer is another."""
    return (sample.predicted != sample.predicted.roll(1)).double().numpy()
