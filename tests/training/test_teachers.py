"""What teachers say of the training faces: the mean over both views and all teachers, kept for the run that goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from model.classifier import ExpressionClassifier, PooledHead
from model.data.faces import FaceSet
from model.data.protocols import ORIGINAL
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.reference import ReferenceCheckpoint, load_checkpoint
from model.training import teachers
from model.training.teachers import TEACHING_FILE, digest, load_teachers, teach
from tests.live_server import ROOT

FACES = 5
COUNTS = (40, 20, 10, 10, 10, 5, 5)


class LeftHalf(nn.Module):
    """One feature: how bright the left half is, so that a face and its mirror image differ."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :1, :, : images.shape[-1] // 2].mean((1, 2, 3), keepdim=True) / 255


def faces() -> FaceSet:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (FACES, 48, 48), generator=generator, dtype=torch.uint8)
    return FaceSet(images, torch.zeros(FACES, dtype=torch.int64), torch.zeros(FACES, 0), tuple(map(str, range(FACES))))


def teacher(name: str, seed: int, adjustment: float) -> ReferenceCheckpoint:
    head = PooledHead(1, len(COUNTS))
    generator = torch.Generator().manual_seed(seed)
    nn.init.normal_(head.weight, 0, 4, generator)
    nn.init.normal_(head.bias, 0, 1, generator)
    there = load_checkpoint(ROOT / "checkpoints/baseline.safetensors")
    metadata = there.metadata.model_copy(
        update={
            "hyperparameters": {"settings": {"adjustment": adjustment}},
            "training_counts": dict(reversed([*zip(EXPRESSIONS, COUNTS, strict=True)])),  # in whatever order a file has them
        }
    )
    return replace(there, name=name, sha256=name * 2, metadata=metadata, classifier=ExpressionClassifier(LeftHalf(), head))


def told(files: list[ReferenceCheckpoint], kept: Path, precision: str = "32-true") -> Tensor:
    answers = teach(files, faces(), kept, Fabric(accelerator="cpu", devices=1), precision)
    assert answers is not None
    return answers


def by_hand(each: ReferenceCheckpoint, adjustment: float) -> Tensor:
    """From the left and the right half of each face, which are the mirror image's right and left."""
    prior = (torch.tensor(COUNTS) / sum(COUNTS)).log()
    head = each.classifier.head
    assert isinstance(head, PooledHead)
    probabilities = torch.zeros(FACES, len(COUNTS))
    for half in (faces().images[:, :, :24], faces().images[:, :, 24:]):
        bright = half.float().mean((1, 2)) / 255
        logits = bright[:, None] * head.weight[:, 0] + head.bias + adjustment * prior
        probabilities += logits.softmax(1) / 2
    return probabilities.detach()


def test_a_teacher_is_heard_on_both_views_as_its_loss_heard_it(tmp_path: Path) -> None:
    plain, adjusted = teacher("a", 1, 0.0), teacher("b", 2, 0.5)
    answers = told([plain, adjusted], tmp_path / TEACHING_FILE)
    expected = (by_hand(plain, 0.0) + by_hand(adjusted, 0.5)) / 2
    torch.testing.assert_close(answers.exp(), expected, atol=2e-3, rtol=0)  # the halves meet where the picture is enlarged


def test_what_they_said_is_kept_and_replaced_only_where_it_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / TEACHING_FILE
    answers = told([teacher("a", 1, 0.0)], kept)
    with monkeypatch.context() as patched:
        patched.setattr(teachers, "_two_views", lambda *_: pytest.fail("said again"))
        torch.testing.assert_close(told([teacher("a", 1, 0.0)], kept), answers)
    whole = kept.read_bytes()
    for others, precision, named in (([teacher("b", 2, 0.0)], "32-true", "teachers"), ([teacher("a", 1, 0.0)], "bf16-mixed", "precision")):
        with pytest.raises(InputError, match=f"of a run that differs in {named}: choose another --out, or delete"):
            told(others, kept, precision)
    assert kept.read_bytes() == whole
    kept.write_bytes(kept.read_bytes()[:40])
    torch.testing.assert_close(told([teacher("a", 1, 0.0)], kept), answers)


def test_a_run_without_teachers_keeps_nothing(tmp_path: Path) -> None:
    assert teach([], faces(), tmp_path / TEACHING_FILE, Fabric(accelerator="cpu", devices=1), "32-true") is None
    assert list(tmp_path.iterdir()) == []
    assert digest(None) is None


def test_two_teachers_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two of --teachers are called baseline"):
        load_teachers([str(ROOT / "checkpoints/baseline.safetensors")] * 2, "ferplus", ORIGINAL)


@pytest.mark.parametrize(("imbalance", "warned"), [(ORIGINAL, False), ("150", True)])
def test_a_teacher_that_was_shown_other_faces_is_warned_of(imbalance: str, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    load_teachers([str(ROOT / "checkpoints/baseline.safetensors")], "ferplus", imbalance)
    assert ("teacher baseline learnt from other faces (ferplus, imbalance original)" in caplog.text) == warned
