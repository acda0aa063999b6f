"""What a model says of faces, as the columns of an audit."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.classifier import Prediction, log_odds
from model.maps.measures import centred, flip_back, flip_consistency, own_symmetry
from model.preprocessing import network_input
from model.reference import ReferenceCheckpoint

Columns = dict[str, NDArray[np.floating[Any]]]

BATCH = 32  # faces; their mirror images come on top


@torch.inference_mode()
def model_answers(checkpoint: ReferenceCheckpoint, faces: Tensor) -> Columns:
    """The columns of :data:`model.auditing.parts.MODEL_COLUMNS`, ``(N, *shape)`` each; NaN where undefined.

    Faces are taken in their order, :data:`BATCH` at a time, so that the same faces give the same bits.

    Args:
        faces: ``(N, 48, 48)`` uint8, at least one.
    """
    parts = [_of_batch(checkpoint, batch) for batch in torch.split(faces, BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _of_batch(checkpoint: ReferenceCheckpoint, faces: Tensor) -> Columns:
    metadata = checkpoint.metadata
    images = network_input(faces, metadata.input_size)
    features = checkpoint.classifier.network(torch.cat([images, images.flip(-1)]))
    prediction: Prediction = checkpoint.classifier.head(features)
    logits, mirrored_logits = prediction.logits.chunk(2)
    maps, mirrored_maps = np.split(centred(prediction.maps.numpy()), 2)
    minor = [metadata.classes.index(name) for name in metadata.minor_classes]
    return {
        "probabilities": logits.softmax(1).numpy(),
        "mirror_probabilities": mirrored_logits.softmax(1).numpy(),
        "two_view_probabilities": ((logits + mirrored_logits) / 2).softmax(1).numpy(),
        "flip_consistency": flip_consistency(maps, flip_back(mirrored_maps)).astype(np.float32),
        "own_symmetry": own_symmetry(maps).astype(np.float32),
        "minor_scores": log_odds(logits)[:, minor].float().numpy(),
        "embedding": features[: len(faces)].mean((2, 3)).half().numpy(),
        "maps": np.stack([maps, mirrored_maps], 1).astype(np.float16),
    }
