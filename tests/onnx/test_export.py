"""An exported graph gives what the checkpoint gives, in another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import onnx
import pytest
import torch

from app.cli import main
from model.checkpoints import CheckpointMetadata
from model.classifier import ExpressionClassifier, PooledHead, PositionalHead
from model.errors import FileError
from model.expressions import EXPRESSIONS, MINOR_CLASSES
from model.geometry import ferplus_geometry
from model.networks.build import build_network
from model.onnx.export import export_onnx
from model.onnx_session import open_session
from model.reference import ReferenceCheckpoint, load_checkpoint
from tests.made_checkpoints import INPUT_SIZE

HeadName = Literal["pooled", "positional"]


def checkpoint(network_name: str, head_name: HeadName, input_size: int, cells: int) -> ReferenceCheckpoint:
    torch.manual_seed(0)
    network = build_network(network_name, 2 if head_name == "positional" else 1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # fresh statistics would hide an export that leaves them out
            module.running_mean.normal_(0.0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]
    head: PooledHead | PositionalHead
    if head_name == "pooled":
        head = PooledHead(network.channels, len(EXPRESSIONS))
    else:
        head = PositionalHead(torch.randn(len(EXPRESSIONS), network.channels, cells, cells), torch.randn(len(EXPRESSIONS)))
    metadata = CheckpointMetadata(
        method="baseline", network=network_name, tails=2 if head_name == "positional" else 1, head=head_name, dataset="ferplus",
        imbalance="original", classes=EXPRESSIONS, training_counts=dict.fromkeys(EXPRESSIONS, 1), minor_classes=MINOR_CLASSES,
        input_size=input_size, geometry=ferplus_geometry(), seed=1, epochs=1, hyperparameters={}, metrics={}, revision="0",
    )  # fmt: skip
    return ReferenceCheckpoint("made", metadata, "", ExpressionClassifier(network, head).eval().requires_grad_(False))


@pytest.mark.parametrize(
    ("network", "head", "input_size", "cells"),
    [("dlib_resnet", "pooled", 99, 5), ("dlib_resnet", "positional", 99, 5), ("resnet18", "pooled", 97, 4)],
)
def test_parity_at_any_batch_size(network: str, head: HeadName, input_size: int, cells: int, tmp_path: Path) -> None:
    made = checkpoint(network, head, input_size, cells)
    path = tmp_path / "made.onnx"
    export_onnx(made, path)
    assert [file.name for file in tmp_path.iterdir()] == ["made.onnx"]
    session = open_session(path)
    for batch in (1, 3):
        images = torch.rand(batch, 3, input_size, input_size, generator=torch.Generator().manual_seed(batch)) * 255
        logits, maps, features = session.run(["logits", "maps", "features"], {"images": images.numpy()})
        expected = made.classifier(images)
        assert expected.maps.shape[1:] == maps.shape[1:] == (7, *expected.maps.shape[2:])
        scale = float(expected.maps.abs().max())
        torch.testing.assert_close(torch.from_numpy(logits), expected.logits, rtol=0, atol=1e-5 * scale)
        torch.testing.assert_close(torch.from_numpy(maps), expected.maps, rtol=0, atol=1e-5 * scale)
        torch.testing.assert_close(torch.from_numpy(features), made.classifier.network(images), rtol=0, atol=1e-5 * scale)
    stored = {entry.key: entry.value for entry in onnx.load(path).metadata_props}["unturned"]
    assert CheckpointMetadata.model_validate_json(stored) == made.metadata


def test_the_command_writes_the_graph_of_a_checkpoint(random_checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = random_checkpoints / "mek_sf.safetensors", tmp_path / "new" / "mek_sf.onnx"
    assert main(["export", str(path), str(out)]) == 0
    images = torch.rand(2, 3, INPUT_SIZE, INPUT_SIZE, generator=torch.Generator().manual_seed(0)) * 255
    (maps,) = open_session(out).run(["maps"], {"images": images.numpy()})
    expected = load_checkpoint(path).classifier(images).maps
    torch.testing.assert_close(torch.from_numpy(maps), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert f"{out}: {out.stat().st_size / 1e6:.1f} MB" in capsys.readouterr().out


def test_a_failed_export_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "made.onnx").mkdir()  # so that the last step, the renaming, fails
    with pytest.raises(FileError, match=r"made\.onnx"):
        export_onnx(checkpoint("dlib_resnet", "pooled", 99, 5), tmp_path / "made.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["made.onnx"]
