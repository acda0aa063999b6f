"""Decoding: what is refused, with which code; what is read, with which pixels."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.decoding.decoder import DecodeLimits, decode_image
from app.errors import ErrorCode, Problem
from tests import pictures
from tests.icc import Chromaticities, in_srgb, matrix_profile
from tests.pictures import UPLOADS, Upload, encoded, portrait

LIMITS = DecodeLimits()


def code_of(data: bytes) -> str | None:
    try:
        decode_image(data, LIMITS)
    except Problem as problem:
        return problem.code
    return None


@pytest.mark.parametrize("upload", UPLOADS, ids=lambda upload: upload.name)
def test_every_kind_of_upload_is_read_or_refused_as_promised(upload: Upload) -> None:
    data = upload.build()
    if upload.code is not None:
        with pytest.raises(Problem) as caught:
            decode_image(data, LIMITS)
        assert caught.value.code == upload.code
        return
    image = decode_image(data, LIMITS)
    assert image.pixels.dtype == np.uint8
    assert image.pixels.shape[2] == 3
    assert image.warnings == upload.warnings


def test_refusing_a_huge_header_allocates_nothing() -> None:
    data = pictures.png(30000, 30000)
    tracemalloc.start()
    try:
        assert code_of(data) == "too_many_pixels"
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "upload", [upload for upload in UPLOADS if upload.code == "unsupported_image_format"], ids=lambda upload: upload.name
)
def test_other_formats_never_reach_a_parser(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    data = upload.build()
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("parsed"))
    with pytest.raises(Problem, match="unsupported_image_format") as caught:
        decode_image(data, LIMITS)
    assert "JPEG" in caught.value.detail


@pytest.mark.parametrize("upload", [upload for upload in UPLOADS if "bomb" in upload.name], ids=lambda upload: upload.name)
def test_bombs_are_refused_before_they_fill_the_memory(upload: Upload) -> None:
    data = upload.build()
    tracemalloc.start()
    try:
        assert code_of(data) == upload.code
        assert tracemalloc.get_traced_memory()[1] < 70 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("copies", "code"), [(22, None), (23, "image_too_complex")])
def test_a_jpeg_may_have_32_scans(copies: int, code: str | None) -> None:
    assert code_of(pictures.scan_bomb(64, copies)) == code  # Pillow writes ten


def test_a_jpeg_may_not_state_two_sizes() -> None:
    data = encoded(portrait(), "JPEG")
    frame = data.index(b"\xff\xc0")
    (length,) = struct.unpack_from(">H", data, frame + 2)
    again = data[frame : frame + 2 + length]
    huge = again[:5] + struct.pack(">HH", 40000, 40000) + again[9:]
    assert code_of(data[:frame] + again + huge + data[frame + 2 + length :]) == "corrupt_image"


def test_thousands_of_segments_are_refused() -> None:
    data = encoded(portrait(), "JPEG")
    assert code_of(data[:2] + b"\xff\xe5\x00\x02" * 20000 + data[2:]) == "image_too_complex"


def test_a_baseline_jpeg_may_have_more_pixels_and_is_decoded_reduced() -> None:
    image = decode_image(encoded(portrait().resize((7000, 6000)), "JPEG"), LIMITS)
    assert (image.width, image.height) == (7000, 6000)
    assert image.pixels.shape == (1500, 1750, 3)
    assert np.abs(image.pixels.mean(axis=(0, 1)) - np.asarray(portrait()).mean(axis=(0, 1))).max() < 2


def test_a_large_png_is_reduced_to_the_means_of_its_blocks() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3100, 40 * 5, 3), dtype=np.uint8)
    image = decode_image(encoded(Image.fromarray(pixels), "PNG"), LIMITS)
    blocks = pixels.reshape(1550, 2, 100, 2, 3).mean(axis=(1, 3))
    assert (image.width, image.height) == (200, 3100)
    assert np.abs(image.pixels - blocks).max() <= 0.51


@pytest.mark.parametrize("orientation", pictures.STORED)
def test_orientation_makes_the_picture_upright(orientation: int) -> None:
    image = decode_image(pictures.oriented(orientation), LIMITS)
    assert np.array_equal(image.pixels, np.asarray(portrait()))


def test_sideways_pictures_swap_their_sides() -> None:
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 6
    image = decode_image(encoded(portrait().resize((512, 100)), "PNG", exif=exif), LIMITS)
    assert (image.width, image.height) == (100, 512)
    assert image.pixels.shape == (512, 100, 3)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = decode_image(pictures.wide_grey_16(), LIMITS).pixels
    assert np.array_equal(ramp[0, :, 0], np.arange(256))
    assert np.array_equal(decode_image(pictures.colour_16(), LIMITS).pixels, np.asarray(portrait()))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_hidden_colours_have_no_effect(kind: str) -> None:
    image = decode_image(pictures.hidden_colours(kind), LIMITS)
    assert (image.pixels[40, 40] == 255).all()
    assert np.array_equal(image.pixels[100:], np.asarray(portrait())[100:])


@pytest.mark.parametrize(
    ("bits", "key", "stored"), [(1, 1, b"\x80"), (2, 2, b"\x80"), (4, 7, b"\x70"), (8, 200, b"\xc8"), (16, 0x1234, b"\x12\x34")]
)
def test_a_transparent_grey_becomes_white_at_every_depth(bits: int, key: int, stored: bytes) -> None:
    row = b"\x00" + stored + bytes(64 * bits // 8 - len(stored))
    chunks = (pictures.chunk(b"tRNS", struct.pack(">H", key)), pictures.chunk(b"IDAT", zlib.compress(row * 64)))
    pixels = decode_image(pictures.png(64, 64, *chunks, bits=bits), LIMITS).pixels
    assert (pixels[:, 0] == 255).all()
    assert (pixels[:, 8:] == 0).all()


def test_a_transparent_16_bit_colour_becomes_white() -> None:
    row = b"\x00" + b"\x12\x34\x56\x78\x9a\xbc" + bytes(63 * 6)
    chunks = (pictures.chunk(b"tRNS", b"\x12\x34\x56\x78\x9a\xbc"), pictures.chunk(b"IDAT", zlib.compress(row * 64)))
    pixels = decode_image(pictures.png(64, 64, *chunks, bits=16, colour=2), LIMITS).pixels
    assert (pixels[:, 0] == 255).all()
    assert (pixels[:, 1:] == 0).all()


def test_a_palette_with_a_hole_is_laid_on_white() -> None:
    pixels = decode_image(pictures.palette_with_hole(), LIMITS).pixels
    assert (pixels[0, 0] == 255).all()


@pytest.mark.parametrize("primaries", [pictures.DISPLAY_P3, pictures.ADOBE_RGB], ids=["Display P3", "Adobe RGB"])
@pytest.mark.parametrize("colour", [(200, 80, 60), (60, 140, 90), (120, 120, 120)])
def test_profiles_are_converted_to_srgb(primaries: Chromaticities, colour: tuple[int, int, int]) -> None:
    data = encoded(Image.new("RGB", (64, 64), colour), "PNG", icc_profile=matrix_profile(primaries))
    shown = decode_image(data, LIMITS).pixels[0, 0]
    assert np.abs(shown - in_srgb(colour, primaries)).max() <= 1.5


@pytest.mark.parametrize("build", [pictures.cmyk, pictures.ycck])
def test_cmyk_looks_like_the_original(build: Callable[[], bytes]) -> None:
    shown = decode_image(build(), LIMITS).pixels.astype(float)
    assert np.abs(shown - np.asarray(portrait())).mean() < 4


def test_of_two_pictures_the_first_counts() -> None:
    assert decode_image(pictures.two_pictures(), LIMITS).pixels.shape == (512, 512, 3)


def test_nothing_of_the_metadata_is_left() -> None:
    image = decode_image(pictures.large_exif(), LIMITS)
    assert b"private" not in image.pixels.tobytes()
    assert image.warnings == ()


SEEDS = [encoded(portrait().resize((48, 40)), kind) for kind in ("JPEG", "PNG", "WEBP")]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=6), st.floats(0.1, 1))
def test_damaged_pictures_give_pixels_or_a_code(seed: bytes, damage: list[tuple[float, bytes]], keep: float) -> None:
    data = bytearray(seed)
    for place, junk in damage:
        start = int(place * len(data))
        data[start : start + len(junk)] = junk
    code = code_of(bytes(data[: int(len(data) * keep)]))
    assert code is None or ErrorCode(code).status in {415, 422}


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x30\x00\x00\x00WEBPVP8X"]))
def test_any_bytes_are_answered(data: bytes, start: bytes) -> None:
    code = code_of(start + data)
    assert code is None or ErrorCode(code).status in {415, 422}


@pytest.mark.parametrize(("kind", "advice"), [("PDF", "export the page"), ("HEIC", "export it as JPEG"), ("AVIF", "save it as JPEG")])
def test_the_formats_people_have_at_hand_are_refused_with_what_to_do(kind: str, advice: str) -> None:
    upload = next(upload for upload in UPLOADS if upload.name == kind)
    with pytest.raises(Problem) as refused:
        decode_image(upload.build(), DecodeLimits())
    assert refused.value.code is ErrorCode.UNSUPPORTED_IMAGE_FORMAT
    assert advice in refused.value.detail
