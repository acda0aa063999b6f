"""The parameter ``crop`` of a request, apart from the code that cuts, so that it can be read before anything large is imported."""

from __future__ import annotations

import math
from typing import Literal

from app.errors import ErrorCode, Problem

SMALLEST_CROP = 16.0  # pixels a side that a request may name; a third of what the networks see
LONGEST_CROP_TEXT = 128  # characters of a crop: four numbers as they stand in an answer, in full precision

Box = tuple[float, float, float, float]  # left, top, width, height in pixels of the picture
Crop = Literal["detect", "whole"] | Box


def parse_crop(text: str) -> Crop:
    """The crop that ``detect``, ``whole`` or ``x,y,w,h`` asks for.

    Raises:
        Problem: ``invalid_parameter``, for anything else.
    """
    if text == "detect":
        return "detect"
    if text == "whole":
        return "whole"
    try:
        left, top, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise bad_crop() from None
    if not all(map(math.isfinite, (left, top, width, height))) or min(width, height) < SMALLEST_CROP:
        raise bad_crop()
    return left, top, width, height


def bad_crop() -> Problem:
    """The problem of a crop that is none, or that does not fit its picture."""
    return Problem(
        ErrorCode.INVALID_PARAMETER,
        f"crop is detect, whole or x,y,w,h in pixels: a box of at least {SMALLEST_CROP:g} pixels a side that lies in the picture.",
        pointer="/query/crop",
    )
