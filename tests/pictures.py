"""Pictures, good and bad, made here: one entry for each kind of upload that the service promises an answer to."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image, ImageFilter, ImageOps
from skimage import data as skimage_data

from tests.icc import matrix_profile

DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))  # chromaticities of red, green and blue
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
ORIENTATION = 0x0112
# EXIF 2.32, 4.6.4: what row 0 and column 0 of the stored picture are: (rows are columns, step down, step across)
STORED = {
    1: (False, 1, 1),  # top, left
    2: (False, 1, -1),  # top, right
    3: (False, -1, -1),  # bottom, right
    4: (False, -1, 1),  # bottom, left
    5: (True, 1, 1),  # left, top
    6: (True, -1, 1),  # right, top
    7: (True, -1, -1),  # right, bottom
    8: (True, 1, -1),  # left, bottom
}


@dataclass(frozen=True)
class Upload:
    """An upload and what becomes of it.

    ``code``: the problem that decoding refuses it with, None where it can be read; ``warnings`` of decoding. ``face``: what detection makes
    of a readable one; ``either`` where both an answer and ``no_face`` are right.
    """

    name: str
    build: Callable[[], bytes]
    code: str | None = None
    face: Literal["one", "many", "none", "either"] = "either"
    warnings: tuple[str, ...] = ()


@cache
def portrait() -> Image.Image:
    """scikit-image's portrait of Eileen Collins (public domain), 512x512, one face."""
    return Image.fromarray(skimage_data.astronaut())


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture as a file of a format that Pillow writes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, bits: int = 8, colour: int = 0) -> bytes:
    """A PNG with this header, these chunks and its end."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def flat_png(side: int) -> bytes:
    """A black 1-bit PNG with all its pixels."""
    packer = zlib.compressobj(1)
    rows = bytes(1 + (side + 7) // 8) * 100
    packed = b"".join(packer.compress(rows) for _ in range(side // 100)) + packer.flush()
    return png(side, side, chunk(b"IDAT", packed), bits=1)


def png_with_bomb(kind: bytes, prefix: bytes) -> bytes:
    """A small PNG with a text or profile chunk that unpacks to 4 MiB."""
    pixels = chunk(b"IDAT", zlib.compress(bytes(65 * 64)))
    return png(64, 64, chunk(kind, prefix + zlib.compress(bytes(4 << 20), 9)), pixels)


def png_with_many_texts() -> bytes:
    """A small PNG with eighty text chunks that each unpack to just less than what one may."""
    texts = (chunk(b"zTXt", b"k%d\x00\x00" % number + zlib.compress(bytes((1 << 20) - 10), 9)) for number in range(80))
    return png(64, 64, *texts, chunk(b"IDAT", zlib.compress(bytes(65 * 64))))


def png_with_wrong_checksum() -> bytes:
    """A PNG whose pixels are whole, but not what their checksum says."""
    return png(64, 64, chunk(b"IDAT", zlib.compress(bytes(65 * 64)))[:-1] + b"\x00")


def png_with_flipped_bytes() -> bytes:
    """A PNG whose packed pixels make no sense, with the right checksum."""
    packed = bytearray(zlib.compress(bytes(65 * 64)))
    packed[2] ^= 0x07  # the type of the first deflate block
    return png(64, 64, chunk(b"IDAT", bytes(packed)))


def scan_bomb(side: int, copies: int, progressive: bool = True) -> bytes:
    """A JPEG whose header says ``side`` x ``side`` pixels and whose last scan comes ``copies`` times more."""
    small = encoded(portrait().resize((64, 64)), "JPEG", progressive=progressive)
    frame = small.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    small = small[: frame + 5] + struct.pack(">HH", side, side) + small[frame + 9 :]
    last_scan = small[small.rindex(b"\xff\xda") : -2]
    return small[:-2] + last_scan * copies + b"\xff\xd9"


def cmyk() -> bytes:
    """The portrait as print shops have it."""
    return encoded(portrait().convert("CMYK"), "JPEG", quality=95)


def ycck() -> bytes:
    """The portrait as a JPEG of luma, chroma and black: Adobe's marker calls the transform 2, and the samples are of inverted colours."""
    colours = np.asarray(ImageOps.invert(portrait()).convert("YCbCr"))
    stored = np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])
    data = bytearray(encoded(Image.frombytes("CMYK", portrait().size, (255 - stored).tobytes()), "JPEG", quality=95, subsampling=0))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def oriented(orientation: int) -> bytes:
    """The portrait, stored turned or mirrored, with the EXIF orientation that makes it upright again."""
    transposed, down, across = STORED[orientation]
    pixels = np.asarray(portrait())
    stored = (pixels.transpose(1, 0, 2) if transposed else pixels)[::down, ::across]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)


def with_exif(body: bytes) -> bytes:
    """The portrait as a JPEG whose EXIF segment holds ``body``."""
    plain = encoded(portrait(), "JPEG")
    segment = b"Exif\x00\x00" + body
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]


def orientation_99() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = 99
    return encoded(portrait(), "JPEG", exif=exif)


def large_exif() -> bytes:
    """Nearly 64 KiB of metadata with a position in it."""
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (47.0, 22.0, 12.0), 3: "E", 4: (8.0, 32.0, 30.0)}
    exif[0x010E] = "private " * 7000
    return encoded(portrait(), "JPEG", exif=exif)


def wide_grey_16() -> bytes:
    """A 16-bit grey ramp of 256x64: column c has the value 257 c."""
    return encoded(Image.fromarray(np.tile(np.arange(256, dtype=np.uint16) * 257, (64, 1))), "PNG")


def colour_16() -> bytes:
    """The portrait with 16 bits a sample, each 257 times the 8-bit one."""
    wide = np.asarray(portrait())[:, :, ::-1].astype(np.uint16) * 257
    return bytes(cv2.imencode(".png", wide)[1])


def hidden_colours(kind: str = "PNG") -> bytes:
    """The portrait, transparent on a disc in its corner where random colours hide."""
    pixels = np.dstack([np.asarray(portrait()), np.full((512, 512), 255, np.uint8)])
    rows, columns = np.ogrid[:512, :512]
    hole = (rows - 40) ** 2 + (columns - 40) ** 2 < 900
    pixels[hole, :3] = np.random.default_rng(2).integers(0, 256, (int(hole.sum()), 3))
    pixels[hole, 3] = 0
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    return encoded(Image.fromarray(pixels), kind, **options)


def palette_with_hole() -> bytes:
    indexed = portrait().quantize(64)
    return encoded(indexed, "PNG", transparency=int(np.asarray(indexed)[0, 0]))


def grey_with_alpha() -> bytes:
    grey = portrait().convert("LA")
    grey.putalpha(Image.linear_gradient("L").resize((512, 512)).point(lambda value: min(255, value + 128)))
    return encoded(grey, "PNG")


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


def undeclared_animation() -> bytes:
    """An animated WebP whose header says that it is a still picture."""
    data = bytearray(animation("WEBP"))
    data[20] &= ~0x02
    return bytes(data)


def two_pictures() -> bytes:
    """A phone's JPEG with a second, smaller picture behind the first (MPO)."""
    return encoded(portrait(), "MPO", save_all=True, append_images=[Image.new("RGB", (128, 128), "red")])


def head(side: int) -> Image.Image:
    """The portrait's head in a square; the face is about half as wide."""
    return portrait().crop((130, 20, 330, 220)).resize((side, side), Image.Resampling.BOX)


def crowd(columns: int, rows: int, side: int) -> bytes:
    """The head again and again."""
    return encoded(Image.fromarray(np.tile(np.asarray(head(side)), (rows, columns, 1))), "PNG")


def face_on_grey(face_pixels: int) -> bytes:
    """A face of about that width in a grey picture of 200x200."""
    picture = Image.new("RGB", (200, 200), (128, 128, 128))
    picture.paste(head(2 * face_pixels), (60, 70))
    return encoded(picture, "PNG")


def covered(left: int, top: int, right: int, bottom: int) -> bytes:
    """The portrait with a blue bar over part of the face."""
    picture = portrait().copy()
    picture.paste((60, 90, 160), (left, top, right, bottom))
    return encoded(picture, "JPEG")


def cut_face() -> bytes:
    """The portrait's face without its left third and without its chin."""
    return encoded(portrait().crop((205, 0, 512, 165)), "PNG")


def _noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (256, 256, 3), dtype=np.uint8))


def _portrait_as(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    return encoded(portrait().convert(mode), kind, **options)


def _cut(data: bytes, keep: float) -> bytes:
    return data[: int(len(data) * keep)]


UPLOADS = (
    Upload("text named .jpg", lambda: b"this is no picture", "not_an_image"),
    Upload("random bytes", lambda: np.random.default_rng(3).bytes(5000), "not_an_image"),
    Upload("two bytes of a JPEG", lambda: b"\xff\xd8", "not_an_image"),
    Upload("no bytes", lambda: b"", "empty_upload"),
    Upload("JPEG", partial(_portrait_as, "JPEG", quality=95), face="one"),
    Upload("PNG", partial(_portrait_as, "PNG"), face="one"),
    Upload("lossless WebP", partial(_portrait_as, "WEBP", lossless=True), face="one"),
    Upload("lossy WebP", partial(_portrait_as, "WEBP", quality=80), face="one"),
    Upload("progressive JPEG", partial(_portrait_as, "JPEG", progressive=True), face="one"),
    Upload("half a JPEG", lambda: _cut(_portrait_as("JPEG"), 0.5), "truncated_image"),
    Upload("JPEG without its last two bytes", lambda: _portrait_as("JPEG")[:-2], "truncated_image"),
    Upload("start of a JPEG", lambda: _portrait_as("JPEG")[:30], "truncated_image"),
    Upload("half a PNG", lambda: _cut(_portrait_as("PNG"), 0.5), "truncated_image"),
    Upload("half a WebP", lambda: _cut(_portrait_as("WEBP"), 0.5), "truncated_image"),
    Upload("PNG with a wrong checksum", png_with_wrong_checksum, "corrupt_image"),
    Upload("PNG with flipped bytes", png_with_flipped_bytes, "corrupt_image"),
    Upload("JPEG and a web page behind it", lambda: _portrait_as("JPEG") + b"<html><script>alert(1)</script></html>", face="one"),
    Upload("header of a PNG of 900 megapixels", lambda: png(30000, 30000), "too_many_pixels"),
    Upload("whole PNG of 900 megapixels", partial(flat_png, 30000), "too_many_pixels"),
    Upload("PNG of 144 megapixels", lambda: png(12000, 12000), "too_many_pixels"),
    Upload("PNG of 2^31 - 1 by 1", lambda: png(2**31 - 1, 1), "too_many_pixels"),
    Upload("PNG of width 0", lambda: png(0, 64), "corrupt_image"),
    Upload("flat PNG of 25 megapixels", partial(flat_png, 5000), face="none"),
    Upload("scan bomb", partial(scan_bomb, 7000, 200), "image_too_complex"),
    Upload("many scans of many pixels", partial(scan_bomb, 4900, 12), "image_too_complex"),
    Upload("progressive JPEG of 49 megapixels", partial(scan_bomb, 7000, 0), "too_many_pixels"),
    Upload("sequential JPEG of 49 megapixels in two scans", partial(scan_bomb, 7000, 1, False), "too_many_pixels"),
    Upload("zTXt bomb", partial(png_with_bomb, b"zTXt", b"k\x00\x00"), "corrupt_image"),
    Upload("iTXt bomb", partial(png_with_bomb, b"iTXt", b"k\x00\x01\x00\x00\x00"), "corrupt_image"),
    Upload("iCCP bomb", partial(png_with_bomb, b"iCCP", b"k\x00\x00"), "corrupt_image"),
    Upload("bomb of many texts", png_with_many_texts, "corrupt_image"),
    Upload("GIF", partial(_portrait_as, "GIF"), "unsupported_image_format"),
    Upload("animated GIF", partial(animation, "GIF"), "unsupported_image_format"),
    Upload("animated PNG", partial(animation, "PNG"), "animated_image"),
    Upload("animated WebP", partial(animation, "WEBP"), "animated_image"),
    Upload("animated WebP that denies it", undeclared_animation, "corrupt_image"),
    Upload("two pictures in a JPEG", two_pictures, face="one"),
    Upload("two pictures in a JPEG, the second cut", lambda: two_pictures()[:-100], face="one"),
    Upload("two pictures in a JPEG, the second missing", lambda: two_pictures().partition(b"\xff\xd9")[0] + b"\xff\xd9", face="one"),
    Upload("HEIC", lambda: b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(200), "unsupported_image_format"),
    Upload("AVIF", lambda: b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf" + bytes(200), "unsupported_image_format"),
    Upload("SVG", lambda: b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported_image_format"),
    Upload("comments that no SVG follows", lambda: b"<!---->" * 146, "not_an_image"),
    Upload("PDF", partial(_portrait_as, "PDF"), "unsupported_image_format"),
    Upload("EPS", partial(_portrait_as, "EPS"), "unsupported_image_format"),
    Upload("TIFF", partial(_portrait_as, "TIFF"), "unsupported_image_format"),
    Upload("BMP", partial(_portrait_as, "BMP"), "unsupported_image_format"),
    Upload("ICO", partial(_portrait_as, "ICO"), "unsupported_image_format"),
    Upload("PSD", lambda: b"8BPS\x00\x01" + bytes(60), "unsupported_image_format"),
    Upload("JPEG 2000", partial(_portrait_as, "JPEG2000"), "unsupported_image_format"),
    Upload("WMF", lambda: b"\xd7\xcd\xc6\x9a" + bytes(60), "unsupported_image_format"),
    Upload("CMYK JPEG", cmyk, face="one"),
    Upload("YCCK JPEG", ycck, face="one"),
    Upload("16-bit grey PNG", wide_grey_16, face="none"),
    Upload("16-bit colour PNG", colour_16, face="one"),
    Upload("palette with a transparent colour", palette_with_hole, face="one"),
    Upload("grey with alpha", grey_with_alpha, face="one"),
    Upload("colours hidden by alpha", hidden_colours, face="one"),
    Upload("colours hidden by alpha in WebP", partial(hidden_colours, "WEBP"), face="one"),
    Upload("1-bit PNG", partial(_portrait_as, "PNG", "1"), face="one"),
    Upload("grey PNG", partial(_portrait_as, "PNG", "L"), face="one"),
    *(Upload(f"EXIF orientation {value}", partial(oriented, value), face="one") for value in STORED),
    Upload("EXIF orientation 99", orientation_99, face="one"),
    Upload("broken EXIF", lambda: with_exif(b"II*\x00\xff\xff\xff\xffjunk"), face="one"),
    Upload("EXIF of nearly 64 KiB with a position", large_exif, face="one"),
    Upload("Display P3", lambda: _portrait_as("JPEG", icc_profile=matrix_profile(DISPLAY_P3)), face="one"),
    Upload("Adobe RGB", lambda: _portrait_as("PNG", icc_profile=matrix_profile(ADOBE_RGB)), face="one"),
    Upload("broken ICC profile", lambda: _portrait_as("JPEG", icc_profile=b"no profile" * 20), face="one", warnings=("icc_ignored",)),
    Upload("1x1", lambda: encoded(Image.new("RGB", (1, 1)), "PNG"), "image_too_small"),
    Upload("1x20000", lambda: encoded(Image.new("RGB", (1, 20000)), "PNG"), "image_too_small"),
    Upload("10000x40", lambda: encoded(Image.new("RGB", (10000, 40)), "JPEG"), "bad_aspect_ratio"),
    Upload("all black", lambda: encoded(Image.new("RGB", (256, 256)), "PNG"), face="none"),
    Upload("all white", lambda: encoded(Image.new("RGB", (256, 256), "white"), "JPEG"), face="none"),
    Upload("noise", lambda: encoded(_noise(), "PNG"), face="none"),
    Upload("a still life", lambda: encoded(Image.fromarray(skimage_data.coffee()), "JPEG"), face="none"),
    Upload("200 faces", partial(crowd, 20, 10, 32), face="many"),
    Upload("upside down", lambda: encoded(portrait().rotate(180), "JPEG")),
    Upload("a cat", lambda: encoded(Image.fromarray(skimage_data.chelsea()), "JPEG")),
    Upload("on its side", lambda: encoded(portrait().rotate(90), "JPEG")),
    Upload("a mask over the mouth", partial(covered, 185, 125, 270, 190)),
    Upload("a bar over the eyes", partial(covered, 190, 90, 270, 115)),
    Upload("half a face", partial(covered, 225, 40, 300, 190)),
    Upload("a drawing", lambda: encoded(portrait().filter(ImageFilter.CONTOUR), "PNG")),
    Upload("face cut by the border", cut_face, face="one"),
    Upload("face of 12 pixels", partial(face_on_grey, 12), face="one"),
)
