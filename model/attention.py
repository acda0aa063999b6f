"""What two views of a face say of its attention maps: pure functions on maps, the formulas of the project's measurements.

Maps are ``(..., h, w)``; leading dimensions are faces and classes. Undefined values are NaN here and null in every answer.
"""

from __future__ import annotations

import torch
from torch import Tensor

FLAT = 1e-6  # a map that varies by less than this standard deviation has no correlation


def flip_back(mirrored: Tensor) -> Tensor:
    """Maps of a mirrored face in the coordinates of the face as given: ``M~ = hflip(M')``."""
    return mirrored.flip(-1)


def flip_consistency(maps: Tensor, mapped_back: Tensor) -> Tensor:
    """Pearson correlation over the cells of a map and its mapped-back mirror counterpart, ``(...)``; NaN where either is flat."""
    a = (maps - maps.mean((-2, -1), keepdim=True)).flatten(-2).double()
    b = (mapped_back - mapped_back.mean((-2, -1), keepdim=True)).flatten(-2).double()
    spread_a, spread_b = a.square().mean(-1).sqrt(), b.square().mean(-1).sqrt()
    correlation = (a * b).mean(-1) / (spread_a * spread_b)
    return torch.where((spread_a < FLAT) | (spread_b < FLAT), torch.nan, correlation.clamp(-1, 1)).float()
