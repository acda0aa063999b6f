"""An attention map as a picture: its cells at the places they see, not stretched to the edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.networks import Grid

Floats = NDArray[np.floating[Any]]


def place_cells(cells: Floats | NDArray[np.uint8], grid: Grid, side: int) -> NDArray[np.float64]:
    """A map as a picture: bilinear between the centres of its cells, constant beyond the outer ones.

    Args:
        cells: ``(..., h, w)`` values.
        grid: where the cells lie on the network's input.
        side: picture side in pixels; the picture covers the whole input.

    Returns:
        ``(..., side, side)``.
    """
    height, width = cells.shape[-2:]
    down, across = _interpolation(height, grid, side), _interpolation(width, grid, side)
    return np.asarray(down @ np.asarray(cells, dtype=np.float64) @ across.T)


def _interpolation(cells: int, grid: Grid, side: int) -> NDArray[np.float64]:
    """Weights ``(side, cells)`` of linear interpolation along one axis; every row sums to 1."""
    position = np.clip(grid.positions(side), 0.0, cells - 1.0)
    # the hat function of every cell centre: 1 there, 0 at its neighbours
    return np.asarray(np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(cells)[None, :])))
