"""Checkpoints with random weights, made for tests: the real format and the real networks, no training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from model.checkpoints import CheckpointMetadata, Manifest
from model.classifier import ExpressionClassifier, PooledHead, PositionalHead
from model.expressions import EXPRESSIONS, MINOR_CLASSES
from model.geometry import FaceGeometry, ferplus_geometry
from model.networks.build import build_network
from model.reference import ReferenceCheckpoint, load_checkpoint, save_checkpoint
from model.training.shipping import renew_manifest
from tests.made_results import make_result_fields

INPUT_SIZE = 99
CELLS = 5


def make_metadata(method: str, head: Literal["pooled", "positional"] = "pooled") -> CheckpointMetadata:
    """Metadata with every field a trained checkpoint has."""
    result = make_result_fields(method)
    return CheckpointMetadata(
        method=method,
        network="dlib_resnet",
        tails=1,
        head=head,
        dataset="ferplus",
        imbalance="original",
        classes=EXPRESSIONS,
        training_counts=result["training_counts"],
        minor_classes=MINOR_CLASSES,
        input_size=INPUT_SIZE,
        geometry=ferplus_geometry(),
        seed=1,
        epochs=10,
        hyperparameters=result["hyperparameters"],
        metrics={"valid": result["test"], "test": result["test"]},
        revision=result["revision"],
    )


def quarter_geometry() -> FaceGeometry:
    """Faces in the upper left quarter of their crops, where those of FERPlus are not."""
    known = ferplus_geometry()
    x, y, width, height = (value / 2 for value in known.ellipse)
    landmarks = {name: (across / 2, down / 2) for name, (across, down) in known.landmarks.items()}
    return known.model_copy(update={"landmarks": landmarks, "ellipse": (x, y, width, height)})


def random_classifier(seed: int, head: Literal["pooled", "positional"] = "pooled") -> ExpressionClassifier:
    """A frozen classifier whose logits and maps differ clearly between pictures, cells and classes."""
    generator = torch.Generator().manual_seed(seed)
    network = build_network("dlib_resnet")
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            fan_in = module.weight[0].numel()
            module.weight.data.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.0, generator=generator)
            module.bias.data.normal_(0.0, 0.1, generator=generator)
            module.running_mean.normal_(0.0, 0.1, generator=generator)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2.0, generator=generator)  # type: ignore[union-attr]
    weight = torch.randn(len(EXPRESSIONS), network.channels, CELLS, CELLS, generator=generator)
    bias = torch.randn(len(EXPRESSIONS), generator=generator)
    made: PooledHead | PositionalHead
    if head == "pooled":
        made = PooledHead(network.channels, len(EXPRESSIONS))
        made.weight.data = weight[:, :, 0, 0].clone()
        made.bias.data = bias
    else:
        made = PositionalHead(weight / CELLS**2, bias)
    return ExpressionClassifier(network, made).eval().requires_grad_(False)


def make_checkpoint(
    path: Path, seed: int, method: str | None = None, head: Literal["pooled", "positional"] = "pooled"
) -> ReferenceCheckpoint:
    """Write a random checkpoint to ``path`` and load it back."""
    save_checkpoint(path, random_classifier(seed, head), make_metadata(method or path.stem, head))
    return load_checkpoint(path)


def make_checkpoint_folder(folder: Path) -> Manifest:
    """A folder as it is shipped: ``baseline``, ``mek_sf``, and the manifest in which ``ours`` is ``mek_sf``."""
    for seed, name in enumerate(("baseline", "mek_sf")):
        make_checkpoint(folder / f"{name}.safetensors", seed)
    manifest = renew_manifest(folder)
    assert manifest is not None
    return manifest
