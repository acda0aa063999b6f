"""Names for places on a face: one template of a face, fitted to five landmarks.

Left and right are the viewer's. The template is drawn in face units: the origin is the middle between the eyes; x, to the right, counts
distances between the eyes; y, downwards, counts distances from the eyes' middle to the mouth's. So the eyes are at (-0.5, 0)
and (0.5, 0), and the mouth is at (0, 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.geometry import LANDMARKS, Point

PERIPHERY = "periphery"

# Right half of the template, and what lies on the middle line: each region is all points nearer to one of its anchors than to any other's.
_MIDDLE = {
    "forehead": [(0.0, -0.8)],
    "nose bridge": [(0.0, -0.2)],
    "nose": [(0.0, 0.25), (0.0, 0.65)],
    "mouth": [(0.0, 1.0), (0.2, 1.0), (-0.2, 1.0)],
    "chin": [(0.0, 1.4)],
}
_SIDES = {
    "brow": [(0.3, -0.3), (0.6, -0.32)],
    "eye": [(0.5, 0.0)],
    "eye corner": [(0.85, 0.0)],
    "cheek": [(0.45, 0.5), (0.8, 0.5)],
    "mouth corner": [(0.45, 1.0)],
}
# More anchors of the middle regions away from the middle line.
_WIDE = {"forehead": [(0.55, -0.8)], "chin": [(0.4, 1.4)]}

# The whole face, hair line to chin, as an ellipse in face units: centre, half width, half height. What lies beyond is periphery.
# Wider than the inner face of `model.geometry`, which leaves forehead and chin out.
_OUTLINE_CENTRE, _OUTLINE_HALF = (0.0, 0.35), (0.98, 1.35)


def _anchors() -> tuple[NDArray[np.float64], tuple[str, ...]]:
    placed = [(point, name) for name, points in _MIDDLE.items() for point in points]
    for side, sign in (("left", -1.0), ("right", 1.0)):
        placed += [((sign * x, y), f"{side} {name}") for name, points in _SIDES.items() for x, y in points]
        placed += [((sign * x, y), name) for name, points in _WIDE.items() for x, y in points]
    return np.array([point for point, _ in placed]), tuple(name for _, name in placed)


_ANCHORS, _NAMES = _anchors()
PLACES = (*dict.fromkeys(_NAMES), PERIPHERY)


@dataclass(frozen=True)
class FittedTemplate:
    """The template laid over one face: ``matrix`` (2, 2) and ``origin`` (2,) take a point of the picture to face units."""

    matrix: NDArray[np.float64]
    origin: NDArray[np.float64]

    def place(self, point: Point) -> str:
        """Name (one of :data:`PLACES`) of a point given in the landmarks' coordinates."""
        unit = self.matrix @ (np.array(point) - self.origin)
        from_centre = (unit - _OUTLINE_CENTRE) / _OUTLINE_HALF
        if from_centre @ from_centre > 1.0:
            return PERIPHERY
        return _NAMES[int(np.square(_ANCHORS - unit).sum(1).argmin())]


def fit_template(landmarks: dict[str, Point], reference: dict[str, Point]) -> FittedTemplate:
    """Lay the template over a face: the similarity transform (shift, turn, scale) that takes the mean face to it best, in least squares.

    A similarity cannot collapse for a face seen from the side, as a freer fit would. The proportions are those of the mean face.

    Args:
        landmarks: the five points of the face, in any coordinates with y downwards.
        reference: the five points of the upright mean face, in any such coordinates.

    Raises:
        ValueError: all five landmarks are at one point.
    """
    mean_face = np.array([reference[name] for name in LANDMARKS])
    face = np.array([landmarks[name] for name in LANDMARKS])
    # with points as complex numbers a similarity is z -> a z + b (Umeyama 1991, in the plane and without reflection)
    z, target = (points @ np.array([1.0, 1.0j]) for points in (mean_face, face))
    centred, target_centred = z - z.mean(), target - target.mean()
    turn = np.vdot(centred, target_centred) / np.vdot(centred, centred).real
    if abs(turn) == 0.0:
        raise ValueError("the five landmarks are all at one point")
    eyes = mean_face[0:2].mean(0)
    mouth = mean_face[3:5].mean(0)
    units = np.array([np.linalg.norm(mean_face[1] - mean_face[0]), np.linalg.norm(mouth - eyes)])
    back = 1.0 / turn
    rotation = np.array([[back.real, -back.imag], [back.imag, back.real]])
    origin = turn * (complex(*eyes) - z.mean()) + target.mean()
    return FittedTemplate(rotation / units[:, None], np.array([origin.real, origin.imag]))
