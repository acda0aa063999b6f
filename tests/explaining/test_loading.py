"""Which files of models are not loaded, and what the refusal says to do."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from app.errors import CannotStartError
from app.explaining.loading import load_explainer, load_served_explainer
from app.settings import Settings
from model.checkpoints import CheckpointError
from model.onnx import graphs
from model.training.shipping import renew_manifest
from tests.made_checkpoints import make_checkpoint
from tests.made_imports import write_random_import

COMMAND = re.escape("this model runs in PyTorch, which is not installed: pip install -e '.[torch]'")


def test_a_checkpoint_without_a_graph_is_refused_with_what_adds_it(
    random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "GRAPHS", tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(CheckpointError, match=rf"\.safetensors: {COMMAND}$"):
        load_explainer(Settings(checkpoint_dir=random_checkpoints))


def test_an_imported_model_is_refused_with_what_adds_it(random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_random_import("torchvision", tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(CheckpointError, match=rf"torchvision_raf\.safetensors: {COMMAND}$"):
        load_explainer(Settings(checkpoint_dir=random_checkpoints, models=tmp_path))


@pytest.mark.parametrize(
    ("name", "reason"), [("ours", "ours stands for the manifest's mek_sf"), ("baseline", "there is a checkpoint named baseline already")]
)
def test_a_file_whose_name_is_taken_is_to_be_renamed(name: str, reason: str, random_checkpoints: Path, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.safetensors"
    with pytest.raises(CheckpointError, match=rf"{name}\.safetensors: {reason}: rename the file$"):
        load_explainer(Settings(checkpoint_dir=random_checkpoints, extra_checkpoints=(path,)))


def test_a_service_needs_the_models_that_its_pages_compare(tmp_path: Path) -> None:
    checkpoints, elsewhere = tmp_path / "checkpoints", tmp_path / "elsewhere"
    make_checkpoint(checkpoints / "mek.safetensors", 1)
    renew_manifest(checkpoints)
    settings = Settings(checkpoint_dir=checkpoints)
    with pytest.raises(CannotStartError, match=r": there is no checkpoint baseline, .* or name a baseline\.safetensors in UNTURNED_EXTRA"):
        load_served_explainer(settings)
    assert load_explainer(settings).ours == "mek"
    path = elsewhere / "baseline.safetensors"
    make_checkpoint(path, 0)
    assert list(load_served_explainer(settings.model_copy(update={"extra_checkpoints": (path,)})).checkpoints) == ["mek", "baseline"]
