"""``unturned evaluate``: the figures of a checkpoint, and of an imported model all but those that need its training set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from app.cli import main
from model.data.faces import FaceSet
from model.data.ferplus import load_ferplus
from model.expressions import EXPRESSIONS
from model.importing.imported import ImportedModel
from model.importing.predictor import ImportedPredictor
from model.measuring.results import SplitMetrics
from model.preprocessing import network_input
from model.reference import load_checkpoint, save_checkpoint
from tests.made_checkpoints import INPUT_SIZE, make_metadata, random_classifier
from tests.made_ferplus import write_ferplus
from tests.made_imports import write_random_import


@pytest.fixture(scope="module")
def made_ferplus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ferplus(tmp_path_factory.mktemp("ferplus"), test=28)


@pytest.fixture
def model(tmp_path: Path) -> ImportedModel:
    return write_random_import("torchvision", tmp_path)


def test_an_imported_model_is_measured_as_it_is_served(
    model: ImportedModel, made_ferplus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "figures.json"
    data = ["--data", str(made_ferplus), "--split", "test", "--json", str(written)]
    assert main(["evaluate", str(tmp_path / f"{model.name}.safetensors"), *data]) == 0
    metrics = SplitMetrics.model_validate_json(written.read_text())
    faces = load_ferplus(made_ferplus, "test")
    served = ImportedPredictor(model)(faces.images.numpy()).logits.argmax(1)
    assert metrics.overall == pytest.approx((served == faces.labels.numpy()).mean())
    assert metrics.mirror is not None and metrics.mirror.other_faces.value is not None
    assert metrics.two_views is not None
    assert (metrics.logit_adjusted, metrics.frontier, metrics.two_views.frontier) == ({}, (), ())
    printed = capsys.readouterr().out
    assert "two views" in printed and "log prior" not in printed


def write_undecided_checkpoint(path: Path, faces: FaceSet) -> None:
    """Random weights whose logits of these faces are near each other, so that the prior decides some answers."""
    classifier = random_classifier(0)
    logits = classifier(network_input(faces.images, INPUT_SIZE)).logits
    scale = 2 / logits.std(0).mean()
    classifier.head.bias.sub_(logits.mean(0)).mul_(scale)
    classifier.head.weight.mul_(scale)
    save_checkpoint(path, classifier, make_metadata("baseline"))


def test_a_checkpoint_is_measured_with_the_prior_of_its_training_set_taken_out_too(
    made_ferplus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, written, faces = tmp_path / "made.safetensors", tmp_path / "figures.json", load_ferplus(made_ferplus, "test")
    write_undecided_checkpoint(path, faces)
    assert main(["evaluate", str(path), "--data", str(made_ferplus), "--split", "test", "--json", str(written)]) == 0
    metrics = SplitMetrics.model_validate_json(written.read_text())
    checkpoint = load_checkpoint(path)
    with torch.inference_mode():
        logits = checkpoint.classifier(network_input(faces.images, checkpoint.metadata.input_size)).logits.numpy()
    labels, shares = faces.labels.numpy(), np.array([checkpoint.metadata.training_counts[name] for name in EXPRESSIONS])
    plain, adjusted = logits.argmax(1), (logits - np.log(shares / shares.sum())).argmax(1)
    assert (plain != adjusted).any()
    for found, predicted in ((metrics, plain), (metrics.logit_adjusted["1"], adjusted)):
        by_hand = {name: (predicted[labels == index] == index).mean() for index, name in enumerate(EXPRESSIONS)}
        assert found.per_class == pytest.approx(by_hand)
    assert "log prior" in capsys.readouterr().out
