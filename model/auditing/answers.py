"""What a model says of faces, as the columns of an audit."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.checkpoints import Checkpoint
from model.classifier import Prediction, centred, log_odds
from model.maps.measures import flip_back, flip_consistency, own_symmetry
from model.preprocessing import network_input

Columns = dict[str, NDArray[np.floating[Any]]]

BATCH = 32  # faces; their mirror images come on top


@torch.inference_mode()
def model_answers(checkpoint: Checkpoint, faces: Tensor) -> Columns:
    """The columns of :data:`model.auditing.parts.MODEL_COLUMNS`, ``(N, *shape)`` each; NaN where undefined.

    Faces are taken in their order, :data:`BATCH` at a time, so that the same faces give the same bits.

    Args:
        faces: ``(N, 48, 48)`` uint8, at least one.
    """
    parts = [_of_batch(checkpoint, batch) for batch in torch.split(faces, BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _of_batch(checkpoint: Checkpoint, faces: Tensor) -> Columns:
    metadata = checkpoint.metadata
    images = network_input(faces, metadata.input_size)
    features = checkpoint.classifier.network(torch.cat([images, images.flip(-1)]))
    prediction: Prediction = checkpoint.classifier.head(features)
    logits, mirrored_logits = prediction.logits.chunk(2)
    maps, mirrored_maps = centred(prediction.maps).chunk(2)
    minor = [metadata.classes.index(name) for name in metadata.minor_classes]
    values = {
        "probabilities": logits.softmax(1),
        "mirror_probabilities": mirrored_logits.softmax(1),
        "two_view_probabilities": ((logits + mirrored_logits) / 2).softmax(1),
        "flip_consistency": flip_consistency(maps, flip_back(mirrored_maps)),
        "own_symmetry": own_symmetry(maps),
        "minor_scores": log_odds(logits)[:, minor].float(),
        "embedding": features[: len(faces)].mean((2, 3)).half(),
        "maps": torch.stack([maps, mirrored_maps], 1).half(),
    }
    return {name: value.numpy() for name, value in values.items()}
