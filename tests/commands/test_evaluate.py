"""``unturned evaluate`` of an imported model: the figures of this project's own, but for what needs its training set."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import main
from model.data.ferplus import load_ferplus
from model.importing.imported import ImportedModel
from model.importing.predictor import ImportedPredictor
from model.measuring.results import SplitMetrics
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
