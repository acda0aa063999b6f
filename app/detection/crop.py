"""From a face's place in a picture to the 48x48 grey crop a network sees: framed and sharp as the training images are."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from app.detection.asked_crop import Box, bad_crop
from model.geometry import FACE_SIZE, FaceGeometry

CUBIC = -0.5  # Keys' parameter a: third-order interpolation (IEEE Trans. ASSP 29(6), 1981)


def scaled(box: Box, x: float, y: float) -> Box:
    """The same box where the picture is ``x`` times as wide and ``y`` times as high."""
    return box[0] * x, box[1] * y, box[2] * x, box[3] * y


def square_around(box: Box) -> Box:
    """The smallest square with the box's centre that holds it, so that no face is stretched."""
    left, top, width, height = box
    side = max(width, height)
    return left + (width - side) / 2, top + (height - side) / 2, side, side


def check_given_crop(box: Box, picture_width: int, picture_height: int) -> None:
    """Refuse a box that lies beside the picture, or that is more than twice as large as the picture.

    Raises:
        Problem: ``invalid_parameter``.
    """
    left, top, width, height = box
    overlaps = left < picture_width and top < picture_height and left + width > 0 and top + height > 0
    if not overlaps or max(width, height) > 2 * max(picture_width, picture_height):
        raise bad_crop()


def calibrated_crop(box: Box, geometry: FaceGeometry) -> Box:
    """The square in which the detector's box lies where it lies on average in a training image.

    Its side is the mean of the box's width and height over ``geometry.box_size``; the box's centre falls on ``geometry.box_centre``.
    """
    left, top, width, height = box
    side = (width + height) / 2 / geometry.box_size
    x, y = geometry.box_centre
    return left + width / 2 - x * side, top + height / 2 - y * side, side, side


def crop_face(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The grey 48x48 face in a box, which may leave the picture: the border is repeated there.

    Where the box is larger than 48 pixels, each output pixel is the mean over its area; where it is smaller, cubic interpolation. A grey
    picture of 48x48 pixels gives exactly its pixels. The cost does not depend on how far the box reaches beyond the picture.

    Args:
        pixels: RGB ``(H, W, 3)`` uint8.
        box: left, top, width, height in pixels; fractions count.

    Returns:
        ``(48, 48)`` uint8.
    """
    inside, rows, columns = _contributing(pixels, box, FACE_SIZE)
    grey = cv2.cvtColor(np.ascontiguousarray(inside), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.clip(np.rint(rows @ grey @ columns.T), 0, 255).astype(np.uint8)


def crop_colour(pixels: NDArray[np.uint8], box: Box, side: int) -> NDArray[np.uint8]:
    """As :func:`crop_face`, in colour and of any size: RGB ``(side, side, 3)`` uint8."""
    inside, rows, columns = _contributing(pixels, box, side)
    cut: NDArray[np.float32] = np.einsum("rh,hwc,sw->rsc", rows, inside.astype(np.float32), columns, optimize=True)
    return np.clip(np.rint(cut), 0, 255).astype(np.uint8)


def _contributing(pixels: NDArray[np.uint8], box: Box, side: int) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """The pixels ``(h, w, 3)`` that a crop of ``side`` pixels is made of, and the weights of their rows and columns in it."""
    left, top, width, height = box
    first_column, columns = _weights(left, width, pixels.shape[1], side)
    first_row, rows = _weights(top, height, pixels.shape[0], side)
    inside = pixels[first_row : first_row + rows.shape[1], first_column : first_column + columns.shape[1]]
    return inside, rows, columns


def _weights(start: float, length: float, size: int, side: int) -> tuple[int, NDArray[np.float32]]:
    """What each pixel of one axis contributes to each of the ``side`` output pixels.

    Returns:
        The first pixel that contributes, and ``(side, pixels)`` weights whose rows sum to 1.
    """
    step = length / side
    edges = start + step * np.arange(side + 1)
    if step >= 1:
        # overlaps of an interval with pixels are differences of "how much of each pixel lies left of its end"
        first, last = (int(np.clip(math.floor(edges[0]), 0, size - 1)), int(np.clip(math.ceil(edges[-1]), 1, size)))
        left_of = np.clip(edges[:, None] - np.arange(first, last), 0, 1)
        left_of[:, 0] = np.minimum(edges - first, 1)  # beyond the border its outermost pixel goes on for ever
        left_of[:, -1] = np.maximum(edges - (last - 1), 0) if last - first > 1 else edges - first
        return first, (np.diff(left_of, axis=0) / step).astype(np.float32)
    centres = (edges[:-1] + edges[1:]) / 2 - 0.5
    taps = np.floor(centres).astype(int)[:, None] + np.arange(-1, 3)
    distances = np.abs(centres[:, None] - taps)
    near = (CUBIC + 2) * distances**3 - (CUBIC + 3) * distances**2 + 1
    far = CUBIC * (distances**3 - 5 * distances**2 + 8 * distances - 4)
    pixels = np.clip(taps, 0, size - 1)
    first = int(pixels.min())
    weights = np.zeros((side, int(pixels.max()) - first + 1))
    np.add.at(weights, (np.arange(side)[:, None], pixels - first), np.where(distances <= 1, near, far))
    return first, weights.astype(np.float32)
