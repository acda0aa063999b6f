"""What a picture's bytes claim to be, read before anything is allocated: format, size, and what makes it too costly or unusable.

Only the container is walked (PNG chunks, JPEG segments, the RIFF header of WebP), never the pixels, so a refusal costs milliseconds. This
module and :mod:`app.decoding.codec` run in the decoder process and import nothing beyond the standard library and Pillow.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Format = Literal["JPEG", "PNG", "WEBP"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_SEGMENTS = 16384  # of a JPEG, chunks of a PNG; cameras write a few dozen, PNG writers one for 8 KiB of data

# Formats that are recognised only to be refused by name: JPEG, PNG and WebP are the ones that are read. A comment is an atomic group: could
# it also end behind the next one, there were 2^n ways to read n of them.
OTHER_FORMATS = re.compile(
    rb"GIF8[79]a|\x00\x00\x00.ftyp|%PDF-|%!PS|\xc5\xd0\xd3\xc6|II\*\x00|II\+\x00|MM\x00[*+]|BM.{4}\x00\x00\x00\x00|\x00\x00[\x01\x02]\x00|8BPS\x00|"
    rb"\x00\x00\x00\x0c(jP  |JXL )\r\n\x87\n|\xff\x4f\xff\x51|\xff\x0a|\xd7\xcd\xc6\x9a|\x01\x00\x09\x00\x00\x03|\x01\x00\x00\x00.{36} EMF|"
    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*|<!--(?>.*?-->)\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]|"
    rb"P[1-7]\s|DDS |qoif|v/1\x01|#\?RADIANCE|gimp xcf",
    re.DOTALL,
)
SNIFFED_BYTES = 1024
# Those that people have at hand, and what to do with them.
_CONVERSIONS = {
    re.compile(rb"%PDF-"): "This is a PDF: export the page, or take a screenshot of it, as PNG or JPEG.",
    re.compile(rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL): "This is a HEIC photo: export it as JPEG; "
    "an iPhone takes JPEG when Settings, Camera, Formats says Most Compatible.",
    re.compile(rb"....ftypavi[fs]", re.DOTALL): "This is an AVIF picture: save it as JPEG, PNG or WebP.",
}

# Start of frame: SOF0..SOF15 without DHT (C4), JPG (C8), DAC (CC).
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_SEQUENTIAL_HUFFMAN = frozenset({0xC0, 0xC1})
_START_OF_SCAN, _END_OF_IMAGE, _START_OF_IMAGE = 0xDA, 0xD9, 0xD8
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and RST0..7 have no length
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass(frozen=True)
class DecodeLimits:
    """What a picture may ask for. Pixels are width times height as the header states them.

    ``max_baseline_jpeg_pixels`` holds for single-scan sequential JPEGs, which are decoded at reduced size without keeping coefficients.
    A JPEG may have at most ``max_scans`` scans, and scans times megapixels at most ``max_scan_megapixels``: every scan visits every pixel.
    """

    max_pixels: int = 25_000_000
    max_baseline_jpeg_pixels: int = 50_000_000
    min_side_pixels: int = 32
    max_aspect_ratio: int = 20
    max_scans: int = 32
    max_scan_megapixels: int = 400


class ImageRefused(Exception):
    """A picture that cannot be used.

    Args:
        code: value of an ``app.errors.ErrorCode``.
        detail: a sentence with the numbers of this case; None where the code says it all. Never anything from the picture but numbers.
    """

    def __init__(self, code: str, detail: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Header:
    """Format, width and height in pixels as stored (before EXIF orientation), and the bits of a PNG's samples (8 for the others)."""

    format: Format
    width: int
    height: int
    bit_depth: int = 8


def inspect(data: bytes, limits: DecodeLimits) -> Header:
    """Read the header of a JPEG, PNG or WebP and hold it against the limits.

    Raises:
        ImageRefused: with the code of the first rule the picture breaks.
    """
    if not data:
        raise ImageRefused("empty_upload")
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data, limits)
    if data.startswith(PNG_SIGNATURE):
        return _png(data, limits)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data, limits)
    if OTHER_FORMATS.match(data[:SNIFFED_BYTES]):
        raise ImageRefused("unsupported_image_format", next((told for kind, told in _CONVERSIONS.items() if kind.match(data)), None))
    raise ImageRefused("not_an_image")


def _check_size(width: int, height: int, limits: DecodeLimits, max_pixels: int) -> None:
    if width == 0 or height == 0:
        raise ImageRefused("corrupt_image", "A side of the picture is 0 pixels long.")
    if width * height > max_pixels:
        raise ImageRefused("too_many_pixels", f"The picture has {width} x {height} pixels; {max_pixels} are accepted.")
    if min(width, height) < limits.min_side_pixels:
        raise ImageRefused("image_too_small", f"The picture is {width} x {height} pixels; each side needs {limits.min_side_pixels}.")
    if max(width, height) > limits.max_aspect_ratio * min(width, height):
        raise ImageRefused("bad_aspect_ratio", f"One side may be at most {limits.max_aspect_ratio} times the other.")


def _png(data: bytes, limits: DecodeLimits) -> Header:
    if len(data) < 33:
        raise ImageRefused("truncated_image")
    length, kind, width, height, bit_depth = struct.unpack(">I4sIIB", data[8:25])
    if kind != b"IHDR" or length != 13:
        raise ImageRefused("corrupt_image")
    _check_size(width, height, limits, limits.max_pixels)
    _walk_chunks(data)
    return Header("PNG", width, height, bit_depth)


def _walk_chunks(data: bytes) -> None:
    """Check every chunk's length and checksum; Pillow checks neither the checksums of pixel data nor that the file ends properly."""
    position = len(PNG_SIGNATURE)
    for _ in range(MOST_SEGMENTS):
        if position + 12 > len(data):
            raise ImageRefused("truncated_image")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise ImageRefused("truncated_image")
        if kind == b"acTL":
            raise ImageRefused("animated_image")
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(memoryview(data)[position + 4 : end - 4]) != checksum:
            raise ImageRefused("corrupt_image")
        if kind == b"IEND":
            return
        position = end
    raise ImageRefused("image_too_complex", f"The file has more than {MOST_SEGMENTS} chunks.")


def _jpeg(data: bytes, limits: DecodeLimits) -> Header:
    frames: list[tuple[int, int, int]] = []
    scans = 0
    complete = False
    for marker, start in _jpeg_segments(data):
        if marker in _FRAME_MARKERS and start + 7 <= len(data):
            height, width = struct.unpack_from(">HH", data, start + 3)
            frames.append((marker, width, height))
        scans += marker == _START_OF_SCAN
        complete = marker == _END_OF_IMAGE
    if scans > limits.max_scans:
        raise ImageRefused("image_too_complex", f"The JPEG has {scans} scans; {limits.max_scans} are accepted.")
    if not frames:
        raise ImageRefused("corrupt_image" if complete else "truncated_image")
    if len(frames) > 1:
        raise ImageRefused("corrupt_image", "The JPEG states its size more than once.")
    marker, width, height = frames[0]
    single_pass = marker in _SEQUENTIAL_HUFFMAN and scans <= 1
    _check_size(width, height, limits, limits.max_baseline_jpeg_pixels if single_pass else limits.max_pixels)
    if scans > 1 and scans * width * height > limits.max_scan_megapixels * 1_000_000:
        raise ImageRefused("image_too_complex", f"The JPEG has {scans} scans of {width} x {height} pixels.")
    if not complete:
        raise ImageRefused("truncated_image")
    return Header("JPEG", width, height)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """(marker, position of its length field) of the first picture's segments; stops at its end or where the file does."""
    position = 2
    for _ in range(MOST_SEGMENTS):
        found = _NEXT_MARKER.search(data, position)
        if found is None:
            return
        marker, position = data[found.end() - 1], found.end()
        yield marker, position
        if marker == _END_OF_IMAGE:
            return
        if marker in _BARE_MARKERS or marker == _START_OF_IMAGE:
            continue
        if position + 2 > len(data):
            return
        position += max(2, struct.unpack_from(">H", data, position)[0])
    raise ImageRefused("image_too_complex", f"The file has more than {MOST_SEGMENTS} segments.")


def _webp(data: bytes, limits: DecodeLimits) -> Header:
    if len(data) < 30:
        raise ImageRefused("truncated_image")
    kind = data[12:16]
    if kind == b"VP8X":
        animated = bool(data[20] & 0x02)
        width, height = (1 + int.from_bytes(data[start : start + 3], "little") for start in (24, 27))
    elif kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        animated = False
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", data[26:30]))
    elif kind == b"VP8L" and data[20] == 0x2F:
        animated = False
        (bits,) = struct.unpack("<I", data[21:25])
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        raise ImageRefused("corrupt_image")
    _check_size(width, height, limits, limits.max_pixels)
    if animated:
        raise ImageRefused("animated_image")
    if struct.unpack("<I", data[4:8])[0] + 8 > len(data):
        raise ImageRefused("truncated_image")
    return Header("WEBP", width, height)
