"""What a face detector is, and the copy of a picture that detectors look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from app.choices import MAX_FACES
from app.detection.asked_crop import Box
from app.detection.crop import scaled
from model.geometry import Point

COPY_LONG_SIDE = 640  # pixels
SMALLEST_FACE = 1 / 32  # of the picture's long side
SMALLEST_PIXELS = 20  # a side; below, detectors find more knots in wood than faces ...
SMALL_PICTURE, SMALLEST_PIXELS_IN_SMALL_PICTURE = 320, 12  # ... but in a small picture such a face would fill much of it


@dataclass(frozen=True)
class DetectedFace:
    """A detector's finding: ``box`` (left, top, width, height) and the five landmarks in pixels of the picture, ``score`` in 0..1."""

    box: Box
    score: float
    landmarks: dict[str, Point]

    def scaled(self, x: float, y: float) -> DetectedFace:
        """The same face in a picture that is ``x`` times as wide and ``y`` times as high."""
        landmarks = {name: (point[0] * x, point[1] * y) for name, point in self.landmarks.items()}
        return DetectedFace(scaled(self.box, x, y), self.score, landmarks)


class FaceDetector(Protocol):
    """Finds faces in an RGB picture ``(H, W, 3)`` uint8; one instance may be called from several threads.

    ``calibrated`` says whether its boxes are those that :func:`app.detection.crop.calibrated_crop` is calibrated for.
    """

    calibrated: bool

    def smallest_face(self, width: int, height: int) -> float:
        """Side of the smallest face that is looked for in a picture of this size, in its pixels."""

    def detect(self, pixels: NDArray[np.uint8], faces: int = MAX_FACES) -> list[DetectedFace]:
        """Every face in pixels of the picture, in no particular order; the ``faces`` largest, which are explained, as exactly as can be."""


def detection_copy(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, reduced to :data:`COPY_LONG_SIDE` where it is larger."""
    height, width = pixels.shape[:2]
    shrink = COPY_LONG_SIDE / max(height, width)
    if shrink >= 1:
        return pixels
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def smallest_face(width: int, height: int, part: float = SMALLEST_FACE) -> float:
    """Side of the smallest face to look for in a picture of this size, in its pixels: a part of the long side, or 20 (12) pixels."""
    long_side = max(width, height)
    return max(part * long_side, SMALLEST_PIXELS_IN_SMALL_PICTURE if long_side <= SMALL_PICTURE else SMALLEST_PIXELS)
