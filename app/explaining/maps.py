"""Explained faces as arrays: all that is needed to draw their figure again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.networks import Grid
from model.predictor import MapKind

ORIGINAL, FLIPPED = 0, 1  # positions on the first axis of logits and maps

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]  # grey (H, H) or RGB (H, W, 3)


@dataclass(frozen=True)
class ModelMaps:
    """What one model says of a face: ``logits`` (2, 7) and ``maps`` (2, 7, h, w), first of the face, then of its mirror image as the
    network saw it (not mapped back), and ``bias`` (7,); with the method ``cam`` and exact maps, ``maps.mean((2, 3)) + bias == logits``.

    ``name`` is the name asked for (such as ``ours``), ``checkpoint`` the one that answered.
    """

    name: str
    checkpoint: str
    minor_classes: tuple[str, ...]
    grid: Grid
    bias: Floats
    logits: Floats
    maps: Floats
    map_kind: MapKind = "exact"

    @property
    def title(self) -> str:
        """Name for people: ``ours (cac)`` for an alias, else the checkpoint's name; approximate maps are never without that word."""
        name = self.name if self.name == self.checkpoint else f"{self.name} ({self.checkpoint})"
        return name if self.map_kind == "exact" else f"{name}, approximate maps"

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Softmax of the logits, ``(2, 7)``."""
        return softmax(self.logits)

    @property
    def two_view_probabilities(self) -> NDArray[np.float64]:
        """Softmax of the two views' averaged logits, ``(7,)``."""
        return np.asarray(softmax(self.logits.mean(axis=0, keepdims=True))[0])


@dataclass(frozen=True)
class FaceMaps:
    """A face and what the models say of it.

    ``picture`` is the square crop the models saw, grey ``(H, H)`` or RGB ``(H, H, 3)`` uint8; ``caption`` names it for readers ("" for
    none); ``label`` is its known expression, if any.
    """

    picture: Picture
    models: tuple[ModelMaps, ...]
    caption: str = ""
    label: str | None = None


@dataclass(frozen=True)
class ExplainedFaces:
    """The faces of one figure or file; ``method`` and ``gauge`` as in the API."""

    faces: tuple[FaceMaps, ...]
    method: str = "cam"
    gauge: str = "centred"


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Probabilities of logits ``(N, L)``."""
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def logits_per_cell(maps: Floats) -> Floats:
    """What each cell of maps ``(..., h, w)`` of the method ``cam`` adds to its class's logit."""
    return np.asarray(maps / (maps.shape[-2] * maps.shape[-1]))
