"""Checkpoints in PyTorch: what training writes, what measuring and exporting read, and the reference that ONNX Runtime is held against."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from model.checkpoints import (
    Checkpoint,
    CheckpointError,
    CheckpointMetadata,
    ManifestEntry,
    StoredCheckpoint,
    check_golden,
    golden_image,
    read_checkpoint,
)
from model.classifier import ExpressionClassifier, LogitsAlone, PooledHead, PositionalHead, Prediction
from model.errors import make_folder, one_line
from model.files.atomic_write import replace_file
from model.networks.backbone import prepare_for_inference
from model.networks.build import build_network
from model.predictor import Answer, Faces, Floats
from model.preprocessing import network_input


@dataclass(frozen=True)
class ReferenceCheckpoint(Checkpoint):
    """A loaded checkpoint with its classifier in evaluation mode, BatchNorm folded, float32 weights frozen."""

    classifier: ExpressionClassifier


class ReferencePredictor:
    """A classifier as a :class:`model.predictor.Predictor`."""

    def __init__(self, classifier: ExpressionClassifier, input_size: int) -> None:
        self._classifier = classifier
        self._input_size = input_size

    @property
    def bias(self) -> Floats:
        return self._classifier.head.bias.numpy()

    def head(self) -> nn.Module:
        return LogitsAlone(self._classifier.head)

    @torch.inference_mode()
    def __call__(self, faces: Faces) -> Answer:
        """The batch is filled up to a power of two, so that few shapes occur and their kernels are reused."""
        images = network_input(torch.from_numpy(np.ascontiguousarray(faces)), self._input_size)
        missing = (1 << (len(images) - 1).bit_length()) - len(images)
        features = self._classifier.network(torch.cat([images, images[:1].expand(missing, -1, -1, -1)]))[: len(images)]
        prediction: Prediction = self._classifier.head(features)
        return Answer(prediction.logits.numpy(), prediction.maps.numpy(), features.numpy())


@torch.inference_mode()
def golden_logits(classifier: Callable[[Tensor], Prediction], input_size: int) -> Tensor:
    """Logits ``(L,)`` of the golden image."""
    return classifier(network_input(torch.from_numpy(golden_image()), input_size)).logits[0]


def save_checkpoint(path: Path, classifier: ExpressionClassifier, metadata: CheckpointMetadata) -> str:
    """Write the inference tensors in half precision; returns the file's sha256 (hex)."""
    tensors = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in classifier.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    data = save(tensors, {"unturned": metadata.model_dump_json()})
    make_folder(path.parent)
    replace_file(path, data)
    return hashlib.sha256(data).hexdigest()


def load_checkpoint(path: Path, expected: ManifestEntry | None = None) -> ReferenceCheckpoint:
    """Read, check and build a checkpoint; with a manifest entry, also check its hash and its golden logits.

    Raises:
        CheckpointError: the file is missing, damaged, or not what its metadata or the manifest says.
    """
    stored = read_checkpoint(path, expected)
    classifier = build_classifier(stored)
    if expected is not None:
        check_golden(path, golden_logits(classifier, stored.metadata.input_size).numpy(), expected)
    return ReferenceCheckpoint(stored.name, stored.metadata, stored.sha256, classifier)


def build_classifier(stored: StoredCheckpoint) -> ExpressionClassifier:
    """The classifier of a checkpoint's file, ready for inference.

    Raises:
        CheckpointError: the tensors are not those of the network that the metadata name.
    """
    metadata = stored.metadata
    network = build_network(metadata.network, metadata.tails)
    classes = len(metadata.classes)
    head: PooledHead | PositionalHead
    if metadata.head == "pooled":
        head = PooledHead(network.channels, classes)
    else:
        side = metadata.grid.cells
        head = PositionalHead(torch.zeros(classes, network.channels, side, side), torch.zeros(classes))
    classifier = ExpressionClassifier(network, head)
    # safetensors files leave out BatchNorm's step counter, which evaluation does not use
    counters = {name: value for name, value in classifier.state_dict().items() if name.endswith("num_batches_tracked")}
    tensors = {name: torch.from_numpy(tensor) for name, tensor in stored.tensors.items()}
    try:
        classifier.load_state_dict(tensors | counters, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{stored.path}: weights do not fit {metadata.network}: {one_line(error)}") from error
    classifier.eval().requires_grad_(False)
    prepare_for_inference(classifier.network)
    return classifier
