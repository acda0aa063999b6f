"""Faces in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.geometry import LANDMARKS, Point

__all__ = ["LANDMARKS", "DetectedFace", "FaceDetector"]

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class DetectedFace:
    """A detector's finding: ``box`` (left, top, width, height) and the five landmarks in pixels of the picture, ``score`` in 0..1."""

    box: Box
    score: float
    landmarks: dict[str, Point]


class FaceDetector(Protocol):
    """Finds faces in an RGB picture ``(H, W, 3)`` uint8; one instance may be called from several threads."""

    def detect(self, pixels: NDArray[np.uint8]) -> list[DetectedFace]: ...
