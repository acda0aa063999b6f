"""Chromium shows the pixels that the networks were given: the page's reading of a picture against the service's."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Page

from app.decoding.decoder import DecodeLimits, decode_image
from app.detection.crop import crop_face
from tests.browser.driving import HOPPER, answer_for, choose, pixels, wait_for_result
from tests.live_server import LiveServer
from tests.pictures import encoded

pytestmark = pytest.mark.browser

READ = """async (encoded) => {
  const { readBitmap } = await import('/static/js/bitmap.js');
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  const bitmap = await readBitmap(new Blob([bytes]));
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return { height: canvas.height, width: canvas.width, data: Array.from(data) };
}"""


def cut_out(picture: Image.Image) -> Image.Image:
    """The picture with its right edge transparent and a stripe half so: no side looks like another."""
    picture = picture.convert("RGBA")
    width, height = picture.size
    picture.paste((200, 30, 60, 0), (width * 3 // 4, 0, width, height))
    picture.paste((20, 30, 160, 128), (0, height // 8, width // 2, height // 4))
    return picture


def stored_as(picture: Image.Image, kind: str, orientation: int) -> bytes:
    """The picture's file, with an EXIF orientation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True, "exact": True}, "JPEG": {"quality": 100, "subsampling": 0}}
    return encoded(picture.convert("RGB") if kind == "JPEG" else picture, kind, exif=exif, **options.get(kind, {}))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_every_orientation_is_turned_and_transparency_is_white_as_in_the_service(open_page: Callable[..., Page], kind: str) -> None:
    page = open_page("/about")
    picture = cut_out(Image.open(HOPPER).resize((48, 64)))
    for orientation in range(1, 10):
        data = stored_as(picture, kind, orientation)
        read = page.evaluate(READ, base64.b64encode(data).decode())
        shown = np.array(read["data"], dtype=np.uint8).reshape(read["height"], read["width"], 4)
        expected = decode_image(data, DecodeLimits()).pixels.astype(int)
        assert shown.shape[:2] == expected.shape[:2], orientation
        assert np.abs(shown[:, :, :3] - expected).max() <= 4, orientation


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_the_face_under_the_maps_is_the_one_the_networks_saw(
    open_page: Callable[..., Page], server: LiveServer, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / f"turned.{kind.lower()}"
    file.write_bytes(stored_as(cut_out(Image.open(HOPPER)).transpose(Image.Transpose.ROTATE_90), kind, 6))
    page = open_page()
    wait_for_result(page)
    choose(page, file)
    crop = answer_for(server, file)["faces"][0]["crop"]
    seen = crop_face(decode_image(file.read_bytes(), DecodeLimits()).pixels, tuple(crop))
    shown = Image.fromarray(pixels(page, page.locator("#grid .face-cell canvas").first)[:, :, 0])
    difference = np.asarray(shown.resize((48, 48), Image.Resampling.BOX)).astype(int) - seen
    assert np.abs(difference).mean() < 4
