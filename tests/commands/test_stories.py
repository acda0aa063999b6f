"""The explorer's cards: what their captions say is what the shipped checkpoints answer, and captions of other checkpoints are not shown."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from app.cli import main
from app.commands.stories import STORIES, Look, choose_faces, face_looks, look_at
from app.explaining.local_service import LocalService
from app.samples import STORIES_FILE, gallery, sample_index
from model.data.faces import FaceSet
from model.data.ferplus import load_ferplus
from model.expressions import EXPRESSIONS
from tests.live_server import ROOT
from tests.made_ferplus import write_ferplus

SHIPPED = ROOT / "checkpoints"
TOLD = json.loads((SHIPPED / STORIES_FILE).read_bytes())


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with LocalService() as service:
        yield service


def test_every_caption_is_what_the_shipped_checkpoints_say(service: LocalService) -> None:
    models = {name: service.explainer.checkpoint(name).sha256 for name in ("baseline", "ours")}
    assert TOLD["models"] == models, "run unturned stories"
    assert [story["id"] for story in TOLD["stories"]] == [story.id for story in STORIES]
    for told, story in zip(TOLD["stories"], STORIES, strict=True):
        assert told["caption"] == story.caption(look_at(service, told["sample"], told["crop"])), told["id"]


def test_the_first_card_shows_models_that_differ(service: LocalService) -> None:
    first = TOLD["stories"][0]
    look = look_at(service, first["sample"], first["crop"])
    moved = abs(look.total_variation("baseline") - look.total_variation("ours"))
    assert look.keeps_answer("baseline") != look.keeps_answer("ours") or moved > 0.05


def made_look(baseline: tuple[str, str], ours: tuple[str, str], variation: tuple[float, float]) -> Look:
    answers = {"baseline": baseline, "ours": ours}
    said = {
        name: {"predicted": face, "predicted_flipped": mirrored, "total_variation": change}
        for (name, (face, mirrored)), change in zip(answers.items(), variation, strict=True)
    }
    return Look("x", "detect", {"explanations": said}, 1)


def test_a_change_of_mind_goes_before_a_larger_change_of_numbers() -> None:
    changes = STORIES[0]
    changed = made_look(("anger", "fear"), ("anger", "anger"), (0.2, 0.1))
    moved = made_look(("anger", "anger"), ("anger", "anger"), (0.4, 0.1))
    assert max([moved, changed], key=changes.worth) is changed
    assert changes.caption(changed) == "Baseline changes its mind, ours does not"
    assert changes.caption(moved) == "The mirror moves baseline by 0.40, ours by 0.10"


def test_a_gallery_of_other_checkpoints_has_no_captions_of_these(tmp_path: Path) -> None:
    assert list(gallery(SHIPPED, TOLD["models"])) == [story["id"] for story in TOLD["stories"]]
    for folder, models in ((SHIPPED, {"baseline": "other", "ours": "other"}), (SHIPPED, {}), (tmp_path, TOLD["models"])):
        cards = gallery(folder, models)
        assert {name: card.caption for name, card in cards.items()} == {name: about["title"] for name, about in sample_index().items()}


@pytest.mark.dataset
def test_every_caption_of_a_test_face_is_what_the_shipped_checkpoints_say(service: LocalService, ferplus_zip: Path) -> None:
    faces = load_ferplus(ferplus_zip, "test").labelled()
    by_id = {story.id: story for story in STORIES}
    told = TOLD["faces"]
    assert [story["id"] for story in told] == ["ours-changes", "fear", "disgust"]
    looks = face_looks(service, faces.subset(torch.tensor([story["face"] for story in told])))
    for story, look in zip(told, looks, strict=True):
        assert story["caption"] == by_id[story["id"]].caption(look)
        if story["expression"]:
            assert EXPRESSIONS[int(faces.labels[story["face"]])] == story["expression"]


def test_the_face_of_a_story_is_the_one_with_the_highest_worth_among_those_its_rule_names(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [EXPRESSIONS.index(name) for name in ("anger", "fear", "fear", "disgust", "disgust")]
    faces = FaceSet(torch.zeros(5, 48, 48, dtype=torch.uint8), torch.tensor(labels), torch.zeros(5, 10, dtype=torch.int64), ("",) * 5)

    def shown(baseline: float, ours: float, changes: bool = False) -> Look:
        look = made_look(("anger", "anger"), ("anger", "fear" if changes else "anger"), (0.1, 0.2))
        for name, share in (("baseline", baseline), ("ours", ours)):
            look.face["explanations"][name]["probabilities"] = {"original": [share] * len(EXPRESSIONS)}
        return look

    looks = [shown(0.0, 1.0), shown(0.1, 0.2), shown(0.2, 0.9), shown(0.3, 0.3), shown(0.9, 0.3, changes=True)]
    monkeypatch.setattr("app.commands.stories.face_looks", lambda *_: looks)
    told = {story["id"]: story for story in choose_faces(service, faces)}
    assert {name: story["face"] for name, story in told.items()} == {"ours-changes": 4, "fear": 2, "disgust": 4}
    assert told["fear"]["caption"] == "Fear: baseline 20.0\u00a0%, ours 90.0\u00a0%"
    assert told["fear"]["rule"].startswith("of the 2 FERPlus test faces labelled fear: ")


STARS = {
    ("hopper", "detect"): "baseline-changes",
    ("biden", "detect"): "ours-changes",
    ("collins", "20,0,200,200"): "fear",  # a tenth of the side beside the detector's square
    ("obama-address", "15,15,170,170"): "disgust",  # in its middle, 0.85 times as large
    ("noise", "whole"): "no-face",
    ("crowd", "detect"): "crowd",
}


def starring(_service: LocalService, sample: str, crop: str) -> Look:
    """An answer to five faces that is worth nothing but to the story that STARS has for it."""
    role = STARS.get((sample, crop), "")

    def said(model: str) -> dict[str, object]:
        shares = [0.9 if (model, role) == ("ours", name) else 0.1 for name in EXPRESSIONS]
        mirrored = "fear" if role == f"{model}-changes" else "anger"
        told = {"predicted": "anger", "predicted_flipped": mirrored, "total_variation": 0.1, "probabilities": {"original": shares}}
        return told | {"consistency": {"anger": {"pearson": 0.5}, "fear": {"pearson": None}}}

    explanations = {model: said(model) for model in ("baseline", "ours")}
    return Look(sample, crop, {"crop": [0, 0, 200, 200], "explanations": explanations}, 5)


def test_the_command_writes_the_look_each_rule_chooses_for_the_models_that_are_served(
    random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(random_checkpoints, tmp_path / "checkpoints"))
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(folder))
    monkeypatch.setattr("app.commands.stories.look_at", starring)
    (tmp_path / "ferplus").mkdir()
    assert main(["stories", "--data", str(write_ferplus(tmp_path / "ferplus", test=14))]) == 0

    told = json.loads((folder / STORIES_FILE).read_bytes())
    assert {(story["sample"], story["crop"]): story["id"] for story in told["stories"]} == STARS
    labels = {story["id"]: EXPRESSIONS[story["face"] % len(EXPRESSIONS)] for story in told["faces"]}  # every expression in turn
    assert set(labels) == {"ours-changes", "fear", "disgust"}
    assert (labels["fear"], labels["disgust"]) == ("fear", "disgust")
    files = {"baseline": folder / "baseline.safetensors", "ours": folder / "mek_sf.safetensors"}
    cards = gallery(folder, {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()})
    assert cards["fear"].caption == "Fear: baseline 10.0\u00a0%, ours 90.0\u00a0%"
    assert cards["no-face"].caption == "No face at all, yet maps of ours agree: r 0.50"
    assert cards["crowd"].caption == "A crowd: 5 faces found"

    assert main(["stories"]) == 0  # whoever has no data set keeps the cards that others made of it
    assert json.loads((folder / STORIES_FILE).read_bytes()) == told
    (folder / STORIES_FILE).write_text(json.dumps(told | {"models": {"baseline": "other", "ours": "other"}}))
    capsys.readouterr()
    assert main(["stories"]) == 0
    assert "faces" not in json.loads((folder / STORIES_FILE).read_bytes())
    assert "no cards of test faces: --data makes them" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told_before_the_work(
    random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(random_checkpoints, tmp_path / "checkpoints"))
    (folder / STORIES_FILE).mkdir()
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(folder))
    monkeypatch.setattr("app.commands.stories.look_at", lambda *_: pytest.fail("a picture was looked at"))
    assert main(["stories"]) == 2
