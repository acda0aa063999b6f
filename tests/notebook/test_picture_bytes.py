"""Arrays and Pillow images as files: every pixel, and turned as a file would be."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.decoding.decoder import ICC_IGNORED, DecodeLimits, decode_image
from app.notebook.picture_bytes import Picture, picture_bytes
from model.errors import InputError
from tests.icc import grey_ink_profile

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)


def read(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture_bytes(picture)))


@pytest.mark.parametrize("pixels", [PIXELS, PIXELS[..., 0], PIXELS[:, ::-1]], ids=["rgb", "grey", "not contiguous"])
def test_an_array_keeps_its_pixels(pixels: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(np.asarray(read(pixels)), pixels)


def test_a_pillow_image_keeps_the_turn_its_file_asks_for() -> None:
    file, orientation = io.BytesIO(), 0x0112
    exif = Image.Exif()
    exif[orientation] = 6
    Image.fromarray(PIXELS).save(file, "JPEG", exif=exif)
    assert read(Image.open(file)).getexif()[orientation] == 6


@pytest.mark.parametrize(("mode", "kept"), [("CMYK", "RGB"), ("YCbCr", "RGB"), ("La", "LA"), ("RGBa", "RGBA"), ("PA", "RGBA")])
def test_a_pillow_image_of_a_mode_that_png_lacks_becomes_one_that_it_has(mode: str, kept: str) -> None:
    assert read(Image.new(mode, (4, 6))).mode == kept


def test_inks_with_a_profile_are_the_colours_that_it_says() -> None:
    """L* = 50 is Y = 0.1842, in sRGB 119; without a profile cyan is (0, 255, 255)."""
    inks = Image.new("CMYK", (64, 64), (255, 0, 0, 0))
    inks.info["icc_profile"] = grey_ink_profile(50)
    decoded = decode_image(picture_bytes(inks), DecodeLimits())
    assert decoded.warnings == () and np.abs(decoded.pixels.astype(int) - 119).max() <= 2


def test_inks_with_a_damaged_profile_are_warned_of_as_in_a_file() -> None:
    inks = Image.new("CMYK", (64, 64), (255, 0, 0, 0))
    inks.info["icc_profile"] = b"damaged"
    decoded = decode_image(picture_bytes(inks), DecodeLimits())
    assert decoded.warnings == (ICC_IGNORED,) and decoded.pixels[0, 0].tolist() == [0, 255, 255]


def test_a_grey_pillow_image_of_16_bits_keeps_them() -> None:
    """Of their 65,536 values all but 256 would be white."""
    deep = PIXELS[..., 0].astype(np.uint16) * 257
    np.testing.assert_array_equal(np.asarray(read(Image.fromarray(deep))), deep)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_a_pillow_image_whose_white_nobody_knows_is_refused(mode: str) -> None:
    with pytest.raises(InputError, match=f"mode {mode} does not say which value is white: scale it to 0..255 and convert it to L"):
        picture_bytes(Image.new(mode, (4, 6), 700))


@pytest.mark.parametrize("pixels", [PIXELS.astype(np.float32), PIXELS.transpose(2, 0, 1), PIXELS[:0], PIXELS[:, 0, 0]])
def test_an_array_that_is_no_picture_is_refused(pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match=r"grey \(H, W\) or RGB \(H, W, 3\), uint8 in 0..255; this one is"):
        picture_bytes(pixels)
