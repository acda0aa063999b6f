"""A picture's bytes as upright 8-bit sRGB pixels: the part of decoding that trusts nobody and therefore runs in a process of its own.

Imports Pillow but neither NumPy nor the web framework, so that the decoder process starts at once and stays small.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageCms, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from app.decoding.headers import DecodeLimits, Header, ImageRefused, inspect

ICC_IGNORED = "icc_ignored"

# The smallest faces that are looked for, of a 32nd of the long side, then still have the 48 pixels of a crop.
SUFFICIENT_LONG_SIDE = 1536
LONGEST_SIDE = 2 * SUFFICIENT_LONG_SIDE  # of what is read; a JPEG's decoder rounds the sides that it halves up
STRIP_ROWS = 64  # of a reduced picture that is made at a time

# Imported here because the decoder process can open no file once it is warm; it opens JPEG, PNG and WebP only, with EXIF inside.
_PLUGINS = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin)
# What Pillow raises on damaged files, by its parsers' own account and by fuzzing.
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    AssertionError,
    struct.error,
    zlib.error,
)
_SRGB = ImageCms.createProfile("sRGB")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})


@dataclass(frozen=True)
class Picture:
    """``rgb`` is upright and may be reduced by a whole factor; ``width`` and ``height`` are the upright picture's own."""

    rgb: Image.Image
    width: int
    height: int
    warnings: tuple[str, ...]


def read_picture(data: bytes, limits: DecodeLimits) -> Picture:
    """Decode a JPEG (of an MPO file the first picture), PNG or WebP.

    EXIF orientation is applied, an embedded ICC profile is converted to sRGB (and reported as :data:`ICC_IGNORED` where it cannot be),
    16-bit samples are brought to 8, transparent pictures are laid on white. A picture whose long side is at least twice
    :data:`SUFFICIENT_LONG_SIDE` is reduced by the largest whole factor that keeps it at that, a JPEG by a power of two while it is decoded.

    Raises:
        ImageRefused: the code says why.
    """
    header = inspect(data, limits)
    try:
        image = _loaded(data, header)
        flat = _reduced(image, header)
    except MemoryError:
        raise ImageRefused("image_too_complex") from None
    except _PILLOW_ERRORS as error:
        raise ImageRefused("truncated_image" if "truncated" in str(error) else "corrupt_image") from None
    orientation = _orientation(image.info.get("exif"))
    if orientation in _UPRIGHT:
        flat = flat.transpose(_UPRIGHT[orientation])
    rgb, converted = in_srgb(flat, image.info.get("icc_profile"))
    sides = (header.height, header.width) if orientation in _SIDEWAYS else (header.width, header.height)
    return Picture(rgb, *sides, warnings=() if converted else (ICC_IGNORED,))


def _reduction(long_side: int) -> int:
    return max(1, long_side // SUFFICIENT_LONG_SIDE)


def _loaded(data: bytes, header: Header) -> Image.Image:
    """The first picture, its pixels decoded; a JPEG already reduced where that is allowed."""
    image = Image.open(io.BytesIO(data), formats=(header.format,))
    if image.size != (header.width, header.height):
        raise ImageRefused("corrupt_image")
    factor = _reduction(max(image.size))
    if header.format == "JPEG" and factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))
    image.load()
    return image


def _flattened(image: Image.Image, bit_depth: int) -> Image.Image:
    """The picture with 8 bits a sample and nothing transparent: mode L, RGB or CMYK."""
    key = image.info.get("transparency")
    if image.mode.startswith("I"):
        table = [round(value / 257) for value in range(65536)]
        if isinstance(key, int):
            table[key] = 255
        return image.convert("I").point(table, "L")
    if isinstance(key, int) and image.mode == "L" and bit_depth < 8:
        image.info["transparency"] = key * 255 // (2**bit_depth - 1)  # Pillow stretches the samples but not the key
    elif isinstance(key, tuple) and bit_depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in key)  # as Pillow does with the samples
    if image.has_transparency_data:
        visible = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(visible, mask=visible)
        return white
    return image if image.mode in {"L", "RGB", "CMYK"} else image.convert("RGB")


def _reduced(image: Image.Image, header: Header) -> Image.Image:
    """The picture flattened and at its final size; a large one strip by strip, since Pillow needs several copies of what it flattens."""
    long_side = max(header.width, header.height)
    already = round(long_side / max(image.size))  # by a JPEG's decoder
    factor = _reduction(long_side) // already
    if factor == 1:
        return _flattened(image, header.bit_depth)
    rows = factor * STRIP_ROWS
    strips = (image.crop((0, top, image.width, min(top + rows, image.height))) for top in range(0, image.height, rows))
    reduced = [_flattened(strip, header.bit_depth).reduce(factor) for strip in strips]
    joined = Image.new(reduced[0].mode, (reduced[0].width, sum(strip.height for strip in reduced)))
    for index, strip in enumerate(reduced):
        joined.paste(strip, (0, index * STRIP_ROWS))
    return joined


def _orientation(exif: object) -> int:
    """EXIF orientation 1..8; 1 where there is none or it makes no sense."""
    if not isinstance(exif, bytes):
        return 1
    tags = Image.Exif()
    try:
        tags.load(exif)
        value = tags.get(ExifTags.Base.Orientation)
    except _PILLOW_ERRORS:
        return 1
    return value if isinstance(value, int) else 1


def in_srgb(image: Image.Image, profile: object) -> tuple[Image.Image, bool]:
    """The picture in sRGB, and False where it has a profile that could not be used."""
    if isinstance(profile, bytes) and profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if not ImageCms.getProfileDescription(source).startswith("sRGB"):
                converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
                if converted is not None:
                    return converted, True
        except (ImageCms.PyCMSError, *_PILLOW_ERRORS):
            return image.convert("RGB"), False
    return image if image.mode == "RGB" else image.convert("RGB"), True  # it would copy one that is RGB already
