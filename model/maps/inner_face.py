"""How much of each cell of a map lies outside the inner face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.networks import Grid

_SAMPLES = 512  # points a side at which the crop is asked whether it is inside; the shares are good to 1e-3


def inner_face_cover(grid: Grid, cells: int, ellipse: tuple[float, float, float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Area of each cell of a square map, and the part of it outside the inner face.

    A cell stands for all points of the crop nearer to its centre than to any other's, so a map is constant over each cell, and the outer
    cells reach to the crop's edges.

    Args:
        grid: where the cells lie on the network's input.
        cells: cells a side.
        ellipse: the inner face (:func:`model.geometry.inner_face`), in units of the crop's side: centre x and y, half width, half height.

    Returns:
        ``area`` and ``outside``, both ``(cells, cells)``; ``area`` sums to 1, ``outside`` is in 0..1.
    """
    points = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    centre_x, centre_y, half_width, half_height = ellipse
    across = np.square((points - centre_x) / half_width)
    down = np.square((points - centre_y) / half_height)
    beyond = down[:, None] + across[None, :] > 1.0
    nearest = np.rint(grid.positions(_SAMPLES)).clip(0, cells - 1)
    belongs = (nearest[:, None] == np.arange(cells)).astype(np.float64)  # (samples, cells)
    count = belongs.sum(0)
    area = count[:, None] * count[None, :]
    return area / _SAMPLES**2, belongs.T @ beyond @ belongs / area
