"""A picture as programs have it, as the bytes of a file: what every picture is explained from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.decoding.codec import in_srgb
from model.errors import InputError

Picture = str | Path | bytes | NDArray[np.uint8] | Image.Image

PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
TRANSPARENT_MODES = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}  # and what keeps their transparency
UNBOUNDED_MODES = ("I", "F", "I;16B", "I;16L", "I;16N")  # which of their values is white, nobody knows


def picture_bytes(picture: Picture) -> bytes:
    """The bytes of a file that holds ``picture``.

    Args:
        picture: a JPEG, PNG or WebP file's path or bytes; an array, grey ``(H, W)`` or RGB ``(H, W, 3)`` uint8; or a Pillow image, which
            is turned upright as its EXIF data say, like a file.

    Raises:
        OSError: the file cannot be read.
        InputError: an array of another kind, or an image whose mode does not say which value is white.
    """
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, (str, Path)):
        return Path(picture).read_bytes()
    if isinstance(picture, Image.Image):
        return _png(picture)
    return _png(Image.fromarray(_checked(np.asarray(picture))))


def _png(image: Image.Image) -> bytes:
    if image.mode in UNBOUNDED_MODES:
        raise InputError(f"an image of the mode {image.mode} does not say which value is white: scale it to 0..255 and convert it to L")
    file = io.BytesIO()
    _writable(image).save(file, "PNG", compress_level=1, exif=image.getexif())
    return file.getvalue()


def _writable(image: Image.Image) -> Image.Image:
    """The image in a mode that PNG has; inks in the colours that their profile says, which is none that a PNG could have."""
    if image.mode in PNG_MODES:
        return image
    if image.mode == "CMYK":
        return in_srgb(image, image.info.get("icc_profile"))[0]
    return image.convert(TRANSPARENT_MODES.get(image.mode, "RGB"))


def _checked(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    shaped = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if pixels.dtype != np.uint8 or not shaped or not pixels.size:
        found = f"this one is {pixels.dtype} of the shape {pixels.shape}"
        raise InputError(f"a picture as an array is grey (H, W) or RGB (H, W, 3), uint8 in 0..255; {found}")
    return np.ascontiguousarray(pixels)
