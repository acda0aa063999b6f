"""Attention maps of faces and of their mirror images, and how far apart they are: shared by EAC, MEK and its other forms."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from model.classifier import Prediction
from model.methods.base import Method

VARIANCE_FLOOR = 1e-6  # keeps the gradient of a correlation finite where a map is flat


def paired_faces(share: float, faces: int) -> int:
    """How many of a batch's faces are also seen in the mirror."""
    return math.ceil(share * faces)


def predict_with_pairs(method: Method, images: Tensor, share: float) -> tuple[Prediction, Tensor, Tensor]:
    """One forward pass over the batch and the mirror images of its first ``share``; the batch is shuffled, so that is a random subset.

    The loss on a random subset is an unbiased estimate of the loss on all faces. Both views pass BatchNorm together (the official
    code makes two passes, which updates the running statistics twice).

    Args:
        images: ``(N, 3, S, S)``.
        share: part of the batch that is paired, in (0, 1].

    Returns:
        the prediction for all N faces, and the maps ``(P, L, h, w)`` of the paired faces: as seen, and seen in the mirror and mapped back.
        The classifier weight inside both is detached, so that it learns from the classification loss alone (as in EAC).
    """
    pairs = paired_faces(share, len(images))
    features = method.classifier.network(torch.cat([images, images[:pairs].flip(-1)]))
    head = method.pooled_head
    maps = head.maps(features[:pairs], detach=True)
    mirrored = head.maps(features[len(images) :], detach=True).flip(-1)
    return head(features[: len(images)]), maps, mirrored


def correlation(maps: Tensor, mirrored: Tensor) -> Tensor:
    """Pearson correlation over the cells, ``(P, L)``; it does not change when a map is scaled or shifted."""
    a = (maps - maps.mean((2, 3), keepdim=True)).flatten(2)
    b = (mirrored - mirrored.mean((2, 3), keepdim=True)).flatten(2)
    norms = (a.square().mean(2) + VARIANCE_FLOOR) * (b.square().mean(2) + VARIANCE_FLOOR)
    return (a * b).mean(2) / norms.sqrt()


def inverse_frequency_weights(counts: tuple[int, ...]) -> Tensor:
    """MEK's class weights ``w_l = N / (10 n_l)``, ``(L,)``, for the faces of each class in the training set.

    A class without a face counts as one. The 10 is the official code's, and no more than a part of the loss's own factor.
    """
    n = torch.tensor(counts, dtype=torch.float32).clamp(min=1)
    return n.sum() / (10 * n)
