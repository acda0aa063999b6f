"""A picture at its own size, half of it, a quarter and so on, and what networks look at cut from the smallest copy that is sharp enough."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

SMALLEST_COPY = 24  # pixels of its shorter side; nothing smaller is asked for


class Pyramid:
    """Copies of a picture, each half as large as the one before; an odd last row or column is left out when it is halved.

    Args:
        pixels: ``(H, W, 3)`` uint8.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._copies = [pixels]
        while min(self._copies[-1].shape[:2]) >= 2 * SMALLEST_COPY:
            finer = self._copies[-1]
            height, width = finer.shape[0] // 2, finer.shape[1] // 2
            even = finer[: 2 * height, : 2 * width]  # an exact half costs a twentieth of any other reduction
            self._copies.append(np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return self._copies[0].shape[1], self._copies[0].shape[0]

    def reduced(self, factor: float) -> tuple[NDArray[np.uint8], tuple[float, float]]:
        """The whole picture reduced by a factor of at least 1.

        Returns:
            The pixels, and how many of the picture's one of them stands for, across and down.
        """
        copy, scale = self._copy(factor)
        height, width = copy.shape[:2]
        size = (math.ceil(width * scale / factor), math.ceil(height * scale / factor))
        level = np.asarray(cv2.resize(copy, size, interpolation=cv2.INTER_AREA), np.uint8)
        return level, (width * scale / size[0], height * scale / size[1])

    def patches(self, squares: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
        """What lies in each square, black beyond the picture.

        Args:
            squares: ``(N, 4+)``: left, top, right, bottom in pixels of the picture; fractions count.
            side: of a patch.

        Returns:
            ``(N, side, side, 3)`` uint8.
        """
        patches = np.empty((len(squares), side, side, 3), np.uint8)
        for index, (left, top, right, *_) in enumerate(squares.tolist()):
            # sampled twice as finely and averaged: plain sampling would be rougher than what the networks were trained on
            factor = (right - left) / (2 * side)
            copy, scale = self._copy(factor)
            step = factor / scale
            # sample i has its centre at left + (i + 1/2) factor of the picture, as pixel j of a copy at (j + 1/2) scale
            placed = np.array([[step, 0, left / scale + (step - 1) / 2], [0, step, top / scale + (step - 1) / 2]])
            sampled = cv2.warpAffine(copy, placed, (2 * side, 2 * side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            patches[index] = cv2.resize(sampled, (side, side), interpolation=cv2.INTER_AREA)
        return patches

    def _copy(self, factor: float) -> tuple[NDArray[np.uint8], int]:
        """The smallest copy that is reduced by no more than ``factor``, and by how much it is."""
        halvings = min(max(0, math.floor(math.log2(factor))), len(self._copies) - 1)
        return self._copies[halvings], 2**halvings
