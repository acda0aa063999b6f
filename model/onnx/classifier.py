"""A checkpoint's exported graph (:mod:`model.onnx.export`) in ONNX Runtime, in place of its PyTorch classifier."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from model.checkpoints import GOLDEN_TOLERANCE, Checkpoint, CheckpointError, golden_logits
from model.classifier import Prediction
from model.onnx.export import INPUT_NAME, OUTPUT_NAMES, SHA256_KEY
from model.onnx.session import UNUSABLE_GRAPH, open_session


class OnnxClassifier:
    """Images ``(N, 3, S, S)`` to a :class:`Prediction` as the checkpoint's own classifier gives, to rounding; for any number of threads.

    Args:
        path: written by ``unturned export``.
        checkpoint: the one it was exported from.
        threads: of one forward pass.

    Raises:
        CheckpointError: the file is damaged, belongs to another checkpoint, or gives other logits for the golden image.
    """

    def __init__(self, path: Path, checkpoint: Checkpoint, threads: int = 1) -> None:
        try:
            self._session = open_session(path, threads)
        except UNUSABLE_GRAPH as error:
            raise CheckpointError(f"{path}: cannot be used ({' '.join(str(error).split())})") from error
        made_from = self._session.get_modelmeta().custom_metadata_map.get(SHA256_KEY)
        if made_from != checkpoint.sha256:
            raise CheckpointError(f"{path}: was not exported from this {checkpoint.name}: run unturned export again")
        size = checkpoint.metadata.input_size
        gap = (golden_logits(self, size) - golden_logits(checkpoint.classifier, size)).abs().max().item()
        if not gap <= GOLDEN_TOLERANCE:
            raise CheckpointError(f"{path}: golden image gives logits {gap:.2g} away from the checkpoint's (allowed {GOLDEN_TOLERANCE:g})")

    def __call__(self, images: Tensor) -> Prediction:
        logits, maps = self._session.run(OUTPUT_NAMES, {INPUT_NAME: images.numpy()})
        return Prediction(torch.from_numpy(logits), torch.from_numpy(maps))
