"""ONNX Runtime gives what PyTorch gives: for every shipped checkpoint, and for every network and head that has a graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from app.explaining.loading import load_explainer
from app.settings import Settings
from model.checkpoints import CheckpointError, golden_image, load_manifest, read_checkpoint
from model.classifier import ExpressionClassifier, PooledHead, PositionalHead
from model.expressions import EXPRESSIONS
from model.networks import NETWORKS
from model.networks.build import build_network
from model.onnx.graphs import GRAPHS, POSITIONAL_INPUT, find_graph, graph_name
from model.onnx.predictor import OnnxPredictor, network_input
from model.predictor import Answer
from model.preprocessing import network_input as reference_input
from model.reference import ReferencePredictor, build_classifier, save_checkpoint
from tests.made_checkpoints import make_checkpoint, make_metadata

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"


def noise(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def both(path: Path, faces: NDArray[np.uint8]) -> tuple[Answer, Answer]:
    """What ONNX Runtime and PyTorch say of faces."""
    stored = read_checkpoint(path)
    graph = find_graph(stored.metadata)
    assert graph is not None
    return OnnxPredictor(stored, graph)(faces), ReferencePredictor(build_classifier(stored), stored.metadata.input_size)(faces)


@pytest.mark.parametrize("name", load_manifest(SHIPPED).checkpoints)
def test_every_shipped_checkpoint_answers_alike_in_both(name: str) -> None:
    faces = np.concatenate([golden_image(), golden_image()[..., ::-1]])
    ours, reference = both(SHIPPED / f"{name}.safetensors", faces)
    np.testing.assert_allclose(ours.logits, reference.logits, rtol=0, atol=1e-5)
    for values, expected in zip(ours, reference, strict=True):
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5 * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize(
    ("network", "tails", "head", "size"),
    [
        ("dlib_resnet", 1, "pooled", 115),
        ("dlib_resnet", 2, "pooled", 131),
        ("dlib_resnet", 1, "positional", 99),
        ("resnet18", 1, "pooled", 97),
        ("resnet18", 2, "pooled", 65),
        ("resnet18", 1, "positional", 193),
    ],
)
def test_every_graph_runs_other_weights_at_other_sizes(
    network: str, tails: int, head: Literal["pooled", "positional"], size: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    made = build_network(network, tails)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # fresh statistics would hide a graph that leaves them out
            module.running_mean.normal_(0.0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]
    metadata = make_metadata("baseline", head).model_copy(update={"network": network, "tails": tails, "input_size": size})
    last: PooledHead | PositionalHead = PooledHead(made.channels, len(EXPRESSIONS))
    if head == "positional":
        last = PositionalHead(torch.randn(len(EXPRESSIONS), made.channels, metadata.grid.cells, metadata.grid.cells) / 9, torch.randn(7))
    save_checkpoint(tmp_path / "made.safetensors", ExpressionClassifier(made, last), metadata)
    ours, reference = both(tmp_path / "made.safetensors", noise(3))
    for values, expected in zip(ours, reference, strict=True):
        assert values.shape == expected.shape
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5 * max(1.0, float(np.abs(expected).max())))


def test_there_is_a_graph_of_every_network_and_head() -> None:
    wanted = {graph_name(network, tails, "pooled") for network in NETWORKS for tails in (1, 2)}
    wanted |= {graph_name(network, 1, "positional") for network in POSITIONAL_INPUT}
    assert {path.name for path in GRAPHS.glob("*.onnx")} == wanted
    for path in GRAPHS.glob("*.onnx"):
        assert path.stat().st_size < 100_000  # without weights
        assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["head.bias"] == [7]


@pytest.mark.parametrize("size", [48, 99, 115, 512])
def test_a_face_is_enlarged_as_in_training(size: int) -> None:
    for faces in (noise(2), np.random.default_rng(1).integers(0, 256, (2, 3, 100, 100), dtype=np.uint8)):
        expected = reference_input(torch.from_numpy(faces), size)
        np.testing.assert_allclose(network_input(faces, size), expected, rtol=0, atol=5e-3)  # grey levels


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("missing", "head.bias is missing, expected (7,)"),
        ("extra", "head.extra is (1,), expected no such tensor"),
        ("shape", "head.bias is (8,), expected (7,)"),
    ],
)
def test_tensors_of_another_network_are_refused(change: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "made.safetensors"
    metadata = make_checkpoint(path, 0).metadata
    tensors = load_file(path)
    if change == "missing":
        del tensors["head.bias"]
    else:
        tensors["head.extra" if change == "extra" else "head.bias"] = torch.zeros(1 if change == "extra" else 8)
    save_file(tensors, path, {"unturned": metadata.model_dump_json()})
    stored, graph = read_checkpoint(path), find_graph(metadata)
    assert graph is not None
    with pytest.raises(CheckpointError) as caught:
        OnnxPredictor(stored, graph)
    assert str(caught.value) == f"{path}: weights do not fit dlib_resnet: {reason}"


def test_a_network_without_a_graph_runs_in_pytorch(random_checkpoints: Path, tmp_path: Path) -> None:
    """A positional head has weights for the cells of one input size, and the graph is that of the size trained at."""
    torch.manual_seed(0)
    network = build_network("dlib_resnet")
    metadata = make_metadata("rul", "positional").model_copy(update={"input_size": 115})
    head = PositionalHead(torch.randn(7, network.channels, 6, 6), torch.zeros(7))
    save_checkpoint(tmp_path / "large.safetensors", ExpressionClassifier(network, head), metadata)
    explainer = load_explainer(Settings(checkpoint_dir=random_checkpoints, extra_checkpoints=(tmp_path / "large.safetensors",)))
    assert isinstance(explainer.predictors["large"], ReferencePredictor)
    assert isinstance(explainer.predictors["baseline"], OnnxPredictor)
    (face,) = explainer.explain(noise(1), explainer.resolve(["large", "baseline"]))
    assert face["large"].maps.maps.shape == (2, 7, 6, 6)
