"""Exported checkpoints in the service: the same explanations, and no graph that belongs to something else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from app.choices import MapMethod
from app.explaining.loading import load_explainer
from app.settings import Settings
from model.checkpoints import CheckpointError, load_checkpoint, load_manifest
from model.onnx.classifier import OnnxClassifier
from model.onnx.export import export_onnx


@pytest.fixture(scope="module")
def exported(random_checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the graph of ``baseline`` alone."""
    folder = tmp_path_factory.mktemp("exported")
    entry = load_manifest(random_checkpoints).checkpoints["baseline"]
    export_onnx(load_checkpoint(random_checkpoints / entry.file, entry), folder / "baseline.onnx")
    return folder


def test_explanations_are_the_same_to_rounding(random_checkpoints: Path, exported: Path) -> None:
    plain = load_explainer(Settings(checkpoint_dir=random_checkpoints))
    fast = load_explainer(Settings(checkpoint_dir=random_checkpoints, onnx_dir=exported))
    assert not plain.predictors
    assert set(fast.predictors) == {"baseline"}
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    said = (explainer.explain(faces, explainer.resolve(["baseline"])) for explainer in (plain, fast))
    for before, after in zip(*said, strict=True):
        a, b = before["baseline"], after["baseline"]
        np.testing.assert_allclose(b.maps.maps, a.maps.maps, atol=1e-4 * np.abs(a.maps.maps).max())
        np.testing.assert_allclose(b.maps.logits, a.maps.logits, atol=1e-4 * np.abs(a.maps.logits).max())
        assert b.predicted == a.predicted
        assert [cue.place for cue in b.cues] == [cue.place for cue in a.cues]


def test_other_methods_of_maps_still_have_the_features_they_read(random_checkpoints: Path, exported: Path) -> None:
    fast = load_explainer(Settings(checkpoint_dir=random_checkpoints, onnx_dir=exported))
    faces = np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    (face,) = fast.explain(faces, fast.resolve(["baseline"]), MapMethod.GRADCAM)
    assert face["baseline"].maps.maps.max() == pytest.approx(1)


def test_a_graph_of_another_checkpoint_is_refused(random_checkpoints: Path, exported: Path, tmp_path: Path) -> None:
    shutil.copy(exported / "baseline.onnx", tmp_path / "mek_sf.onnx")
    with pytest.raises(CheckpointError, match=r"mek_sf\.onnx: was not exported from this mek_sf"):
        load_explainer(Settings(checkpoint_dir=random_checkpoints, onnx_dir=tmp_path))


def test_a_graph_with_another_bias_is_refused(random_checkpoints: Path, exported: Path, tmp_path: Path) -> None:
    graph = onnx.load(exported / "baseline.onnx")
    (bias,) = (weight for weight in graph.graph.initializer if weight.name.endswith("head.bias"))
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 1, bias.name))
    onnx.save(graph, tmp_path / "baseline.onnx")
    checkpoint = load_checkpoint(random_checkpoints / "baseline.safetensors")
    with pytest.raises(CheckpointError, match=r"baseline\.onnx: golden image gives logits 1 away"):
        OnnxClassifier(tmp_path / "baseline.onnx", checkpoint)


@pytest.mark.parametrize("kept", [0, 1000, 0.5])
def test_a_damaged_graph_is_refused(kept: float, random_checkpoints: Path, exported: Path, tmp_path: Path) -> None:
    data = (exported / "baseline.onnx").read_bytes()
    (tmp_path / "baseline.onnx").write_bytes(data[: int(kept * len(data)) if kept == 0.5 else int(kept)])
    with pytest.raises(CheckpointError, match=r"baseline\.onnx: ") as caught:
        load_explainer(Settings(checkpoint_dir=random_checkpoints, onnx_dir=tmp_path))
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_graph_is_refused(random_checkpoints: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no NAME"):
        load_explainer(Settings(checkpoint_dir=random_checkpoints, onnx_dir=tmp_path))
