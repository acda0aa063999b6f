"""``unturned stories``: the cards of the explorer's gallery, chosen by rules and captioned from the numbers of the shipped checkpoints."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.choices import COMPARED
from app.commands.arguments import add_parser
from app.detection.asked_crop import parse_crop
from app.explaining.options import ExplainOptions
from app.numbers import decimal, share_text
from app.samples import STORIES_FILE, face_gallery, sample_index, sample_pictures
from model.expressions import EXPRESSIONS, MINOR_CLASSES
from model.files.atomic_write import make_room, replace_file

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers
    from app.explaining.local_service import LocalService
    from model.data.faces import FaceSet

BASELINE, OURS = COMPARED
NOISE, CROWD = "noise", "crowd"
FACES_AT_ONCE = 32
SCALES = (1.0, 0.85, 1.2)  # of the detector's square, which comes first
SHIFTS = ((0.0, 0.0), (-0.1, 0.0), (0.1, 0.0), (0.0, -0.1), (0.0, 0.1))  # of its side


@dataclass(frozen=True)
class Look:
    """One picture looked at through one crop: the answer's first face, and how many there are."""

    sample: str
    crop: str
    face: dict[str, Any]
    faces: int

    def total_variation(self, model: str) -> float:
        """Between the answers to the face and to its mirror image."""
        return float(self.face["explanations"][model]["total_variation"])

    def keeps_answer(self, model: str) -> bool:
        """Whether the model says the same of the mirror image."""
        said = self.face["explanations"][model]
        return bool(said["predicted"] == said["predicted_flipped"])

    def probability(self, model: str, expression: str) -> float:
        """Of an expression, on the face as it is."""
        return float(self.face["explanations"][model]["probabilities"]["original"][EXPRESSIONS.index(expression)])

    def mean_consistency(self, model: str) -> float:
        """Flip consistency, the mean of the classes that have one."""
        values = [numbers["pearson"] for numbers in self.face["explanations"][model]["consistency"].values()]
        defined: list[float] = [value for value in values if value is not None]
        return sum(defined) / len(defined)


@dataclass(frozen=True)
class Story:
    """A card's rule and caption: among the portraits' looks, the one with the highest ``worth``; ``sample`` names the picture instead."""

    id: str
    rule: str
    caption: Callable[[Look], str]
    worth: Callable[[Look], Any] = lambda _: 0
    sample: str = ""
    expression: str = ""


def _mind_worth(changing: str, keeping: str) -> Callable[[Look], Any]:
    def worth(look: Look) -> tuple[bool, float]:
        wanted = not look.keeps_answer(changing) and look.keeps_answer(keeping)
        return wanted, look.total_variation(changing) - look.total_variation(keeping)

    return worth


def _mind_caption(changing: str, keeping: str) -> Callable[[Look], str]:
    def caption(look: Look) -> str:
        if not look.keeps_answer(changing) and look.keeps_answer(keeping):
            return f"{changing.capitalize()} changes its mind, {keeping} does not"
        moved = (f"{model} by {decimal(look.total_variation(model), 2)}" for model in (changing, keeping))
        return f"The mirror moves {', '.join(moved)}"

    return caption


def _minor_story(expression: str) -> Story:
    def caption(look: Look) -> str:
        shares = (f"{model} {share_text(look.probability(model, expression))}" for model in (BASELINE, OURS))
        return f"{expression.capitalize()}: {', '.join(shares)}"

    return Story(
        expression,
        f"largest difference between the two models' probabilities of {expression}",
        caption,
        lambda look: abs(look.probability(OURS, expression) - look.probability(BASELINE, expression)),
        expression=expression,
    )


STORIES = (
    Story(
        "baseline-changes",
        "baseline's answer changes in the mirror and that of ours does not; then by how much more",
        _mind_caption(BASELINE, OURS),
        _mind_worth(BASELINE, OURS),
    ),
    Story(
        "ours-changes",
        "the answer of ours changes in the mirror and baseline's does not; then by how much more",
        _mind_caption(OURS, BASELINE),
        _mind_worth(OURS, BASELINE),
    ),
    *(_minor_story(expression) for expression in MINOR_CLASSES),
    Story(
        "no-face",
        "the picture without a face",
        lambda look: f"No face at all, yet maps of ours agree: r {decimal(look.mean_consistency(OURS), 2)}",
        sample=NOISE,
    ),
    Story("crowd", "the picture with most faces", lambda look: f"A crowd: {look.faces} faces found", sample=CROWD),
)


def add_stories(subparsers: Subparsers) -> None:
    """Mount the command."""
    parser = add_parser(
        subparsers,
        "stories",
        f"choose and caption the explorer's cards by what the checkpoints say, in {STORIES_FILE} beside them",
        "unturned stories",
    )
    parser.add_argument("--data", type=Path, default=None, help="FERPlus, for cards about its test faces, shown where a server has it")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from app.explaining.local_service import LocalService
    from model.data.ferplus import load_ferplus

    faces = None if options.data is None else load_ferplus(options.data, "test").labelled()
    with LocalService() as service:
        folder = service.settings.checkpoint_dir
        path = folder / STORIES_FILE
        make_room(path)
        report = choose(service)
        cards = kept_faces(folder, report["models"]) if faces is None else choose_faces(service, faces)
    if cards:
        report["faces"] = cards
    else:
        print(f"{path} has no cards of test faces: --data makes them", file=sys.stderr)
    replace_file(path, json.dumps(report, indent=1, ensure_ascii=False).encode() + b"\n")
    for story in report["stories"]:
        print(f"{story['id']}: {story['caption']} ({story['sample']}, {story['crop']}; rule: {story['rule']})")
    for story in cards:
        print(f"{story['id']}: {story['caption']} (test face {story['face']}; rule: {story['rule']})")
    return 0


def choose(service: LocalService) -> dict[str, Any]:
    """What the stories' file holds: the models it is about, and each story with its rule."""
    portraits = [look for sample in sample_index() if sample not in {NOISE, CROWD} for look in _looks(service, sample)]
    told = []
    for story in STORIES:
        best = look_at(service, story.sample, sample_index()[story.sample]["crop"]) if story.sample else max(portraits, key=story.worth)
        settings = {"id": story.id, "sample": best.sample, "crop": best.crop, "expression": story.expression}
        told.append(settings | {"caption": story.caption(best), "rule": story.rule})
    return {"models": {name: checkpoint.sha256 for name, checkpoint in service.resolve(COMPARED).items()}, "stories": told}


def choose_faces(service: LocalService, faces: FaceSet) -> list[dict[str, Any]]:
    """Test faces that tell the portraits' stories, but for the first, which opens the page and must need no data set."""
    looks = face_looks(service, faces)
    told = []
    for story in STORIES[1:]:
        if story.sample:
            continue
        wanted = None if not story.expression else EXPRESSIONS.index(story.expression)
        labelled = [index for index, label in enumerate(faces.labels.tolist()) if wanted in (None, label)]
        best = max(labelled, key=lambda index: story.worth(looks[index]))
        among = f"of the {len(labelled):,} FERPlus test faces{f' labelled {story.expression}' if story.expression else ' with a label'}"
        settings = {"id": story.id, "face": best, "expression": story.expression}
        told.append(settings | {"caption": story.caption(looks[best]), "rule": f"{among}: {story.rule}"})
    return told


def kept_faces(folder: Path, models: dict[str, str]) -> list[dict[str, Any]]:
    """The cards of test faces that the file has already, where it tells of the same models."""
    return [{"id": name} | asdict(card) for name, card in face_gallery(folder, models).items()]


def face_looks(service: LocalService, faces: FaceSet) -> list[Look]:
    """What the compared models answer to faces and to their mirror images; without maps."""
    from app.explaining.maps import softmax
    from model.maps.measures import total_variation

    said: list[dict[str, Any]] = [{} for _ in range(len(faces))]
    for name, checkpoint in service.resolve(COMPARED).items():
        predictor = service.explainer.predictors[checkpoint.name]
        for start in range(0, len(faces), FACES_AT_ONCE):
            images = faces.images[start : start + FACES_AT_ONCE].numpy()
            views = [softmax(predictor(view).logits) for view in (images, images[..., ::-1].copy())]
            for index, (face, mirrored) in enumerate(zip(*views, strict=True), start):
                said[index][name] = {
                    "predicted": EXPRESSIONS[int(face.argmax())],
                    "predicted_flipped": EXPRESSIONS[int(mirrored.argmax())],
                    "probabilities": {"original": face.tolist(), "flipped": mirrored.tolist()},
                    "total_variation": float(total_variation(face, mirrored)),
                }
    return [Look(f"face-{index}", "whole", {"explanations": explanations}, 1) for index, explanations in enumerate(said)]


def look_at(service: LocalService, sample: str, crop: str) -> Look:
    """A gallery picture through a crop, as the API's parameter writes it."""
    from app.api.answers import explanation_answer

    options = ExplainOptions(crop=parse_crop(crop))
    picture = service.explain(sample_pictures()[sample], service.resolve(COMPARED), options)
    answer = explanation_answer(picture, sample).model_dump(mode="json")
    return Look(sample, crop, answer["faces"][0], answer["faces_found"])


def _looks(service: LocalService, sample: str) -> Iterator[Look]:
    """A portrait through the detector's square, and through squares a little larger, smaller and beside it: as a hand might draw them."""
    first = look_at(service, sample, "detect")
    yield first
    left, top, side, _ = first.face["crop"]
    for scale in SCALES:
        for across, down in SHIFTS:
            if (scale, across, down) != (1.0, 0.0, 0.0):
                grown = (1 - scale) / 2
                x, y, length = (round(number) for number in (left + (grown + across) * side, top + (grown + down) * side, scale * side))
                yield look_at(service, sample, f"{x},{y},{length},{length}")
