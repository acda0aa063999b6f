"""What is cut from a picture lies where it should, at any size."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from app.detection.pyramid import Pyramid


def ramp(height: int, width: int) -> NDArray[np.uint8]:
    """Red grows by a third a pixel to the right, green downwards, so that a value tells where it was taken."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([np.rint(columns / 3), np.rint(rows / 3), np.full((height, width), 200)], axis=2).astype(np.uint8)


@pytest.mark.parametrize("side", [20.0, 48.0, 113.5, 301.0])
@pytest.mark.parametrize(("left", "top"), [(100.0, 150.0), (33.25, 200.75)])
def test_a_patch_shows_its_square_to_fractions_of_a_pixel(side: float, left: float, top: float) -> None:
    square = np.array([[left, top, left + side, top + side, 0.9]], np.float32)
    (patch,) = Pyramid(ramp(601, 703)).patches(square, 48)
    centres = (np.arange(48) + 0.5) * side / 48 - 0.5  # of the patch's pixels, in pixels of the picture
    assert patch[..., 0] == pytest.approx(np.broadcast_to((left + centres) / 3, (48, 48)), abs=1)
    assert patch[..., 1] == pytest.approx(np.broadcast_to((top + centres)[:, None] / 3, (48, 48)), abs=1)


def test_beyond_the_picture_a_patch_is_black() -> None:
    (patch,) = Pyramid(np.full((100, 100, 3), 200, np.uint8)).patches(np.array([[-48, 52, 48, 148]], np.float32), 24)
    assert (patch[:11, 13:] == 200).all()
    assert not patch[13:].any()
    assert not patch[:, :11].any()


def test_of_no_squares_there_are_no_patches() -> None:
    assert Pyramid(ramp(60, 60)).patches(np.empty((0, 5), np.float32), 24).shape == (0, 24, 24, 3)


@pytest.mark.parametrize("factor", [1.0, 1.9, 2.0, 4.7, 16.0])
def test_a_reduced_picture_says_what_its_pixels_stand_for(factor: float) -> None:
    level, pixel = Pyramid(ramp(601, 703)).reduced(factor)
    assert pixel == pytest.approx((factor, factor), rel=0.05)
    assert level.shape[:2] == pytest.approx((601 / factor, 703 / factor), abs=2)
    inner = (slice(1, -1), slice(1, -1))  # the last of a level may be partly of nothing; each halving rounds
    rows, columns = np.mgrid[: level.shape[0], : level.shape[1]]
    assert level[..., 0][inner] == pytest.approx((((columns + 0.5) * pixel[0] - 0.5) / 3)[inner], abs=1.5)
    assert level[..., 1][inner] == pytest.approx((((rows + 0.5) * pixel[1] - 0.5) / 3)[inner], abs=1.5)
