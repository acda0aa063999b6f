"""What runs a network for the service: faces to logits, maps and features, as arrays, whichever library computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

Faces = NDArray[np.uint8]
Floats = NDArray[np.float32]
MapKind = Literal["exact", "approximate"]  # exact: each logit is the mean of its map plus the bias


class Answer(NamedTuple):
    """What a network says of N faces, in the trained gauge: ``logits`` (N, L), ``maps`` (N, L, h, w) and the ``features`` (N, C, h, w) that
    its head reads; ``logits == maps.mean((2, 3)) + bias``."""

    logits: Floats
    maps: Floats
    features: Floats


class Predictor(Protocol):
    """Faces, grey ``(N, H, H)`` or RGB ``(N, 3, H, H)`` as the training faces are, to an :class:`Answer`; for any number of threads."""

    @property
    def bias(self) -> Floats:
        """What stands beside the maps, ``(L,)``."""

    def head(self) -> nn.Module:
        """Features ``(N, C, h, w)`` to logits ``(N, L)`` in PyTorch, for methods that differentiate it."""

    def __call__(self, faces: Faces) -> Answer:
        """One forward pass."""
