"""Drawing a crop without JavaScript: the page holds the picture, since nothing is stored here, and its form sends it back with a square."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import cv2
import numpy as np

from app.detection.asked_crop import Crop, parse_crop
from app.drawing.colours import as_data_address, as_webp
from app.errors import ErrorCode, Problem

if TYPE_CHECKING:
    from app.decoding.decoder import DecodedImage
    from app.explaining.maps import Picture

KEPT_SIDE = 800  # pixels of the picture that is sent back: the networks see 48 of a face
MOST_BYTES = 4 << 20  # of the form: noise of the kept side, lossless, in base64 and escaped, is 2.8 million
SHOWN_SIDE = 256  # pixels: no browser scales it, so that a click's place is a place of the picture; a phone of 320 has room for it
PROPOSED = 0.6  # side of the square proposed, of the picture's shorter side
_NUMBERS = ("left", "top", "side", "unit")
_CLICK = ("middle.x", "middle.y")
NO_CLICK = (0, 0)  # what browsers send where the Enter key pressed the picture


@dataclass(frozen=True)
class CropForm:
    """What the form shows: the picture, ``unit`` pixels of the one sent back to each of the one shown, and a square in shown pixels."""

    shown: str
    kept: str
    unit: float
    width: int
    height: int
    left: int
    top: int
    side: int


def crop_form(image: DecodedImage) -> CropForm:
    """The form for a picture."""
    kept = _within(image.pixels, KEPT_SIDE)
    shown = _within(kept, SHOWN_SIDE)
    height, width = shown.shape[:2]
    side = max(round(PROPOSED * min(height, width)), 1)
    return CropForm(
        shown=as_data_address(shown),
        kept=base64.b64encode(as_webp(kept)).decode(),
        unit=kept.shape[1] / width,
        width=width,
        height=height,
        left=(width - side) // 2,
        top=(height - side) // 2,
        side=side,
    )


def read_crop_form(body: bytes) -> tuple[bytes, Crop]:
    """The picture and the square that the form was sent with; a click on the picture is the square's middle.

    Raises:
        Problem: ``body_too_large`` or ``malformed_request`` for what the form cannot send, ``invalid_parameter`` for no square.
    """
    if len(body) > MOST_BYTES:  # a form takes long to take apart, and holds no thread for what no page has made
        raise Problem(ErrorCode.BODY_TOO_LARGE)
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=len(_NUMBERS) + len(_CLICK) + 2)
        (picture,) = fields["picture"]
        left, top, side, unit = (float(value) for name in _NUMBERS for (value,) in (fields[name],))
        across, down = (float(value) for name in _CLICK for value in fields.get(name, ["0"]))
        if (across, down) != NO_CLICK:
            left, top = across - side / 2, down - side / 2
        data = base64.b64decode(picture, validate=True)
        whole = "whole" in fields
    except (ValueError, KeyError, binascii.Error) as error:
        raise Problem(ErrorCode.MALFORMED_REQUEST, "The form is not as the page made it: choose the picture again.") from error
    if whole:
        return data, "whole"
    return data, parse_crop(",".join(str(unit * length) for length in (left, top, side, side)))


def _within(pixels: Picture, side: int) -> Picture:
    """A picture made smaller where it is longer than ``side``."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1.0:
        return pixels
    size = (max(round(scale * width), 1), max(round(scale * height), 1))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
