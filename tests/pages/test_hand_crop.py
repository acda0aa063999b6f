"""The form in which a crop is drawn without JavaScript: what it holds, and what it may be sent back with."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.decoding.decoder import DecodedImage
from app.errors import Problem
from app.pages.hand_crop import KEPT_SIDE, MOST_BYTES, crop_form, read_crop_form
from tests.api_calls import made_face, png

SQUARE = {"left": 10, "top": 20, "side": 50, "unit": 2.5}


def sent(**fields: object) -> bytes:
    return urlencode({"picture": base64.b64encode(b"file").decode()} | SQUARE | fields).encode()


def test_the_square_is_that_of_the_picture_sent_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (900, 1600, 3), dtype=np.uint8)
    form = crop_form(DecodedImage(pixels, 1600, 900))
    kept = cv2.imdecode(np.frombuffer(base64.b64decode(form.kept), np.uint8), cv2.IMREAD_COLOR)
    assert kept is not None
    assert (kept.shape, form.width, form.height) == ((450, 800, 3), 256, 144)
    assert form.unit == pytest.approx(800 / 256)
    data, crop = read_crop_form(sent())
    assert (data, crop) == (b"file", (25.0, 50.0, 125.0, 125.0))


def test_a_click_is_the_middle_of_the_square() -> None:
    assert read_crop_form(sent(**{"middle.x": 100, "middle.y": 60}))[1] == (2.5 * 75, 2.5 * 35, 125.0, 125.0)
    assert read_crop_form(sent(**{"middle.x": 0, "middle.y": 0})) == read_crop_form(sent())  # the Enter key
    assert read_crop_form(sent(whole=1))[1] == "whole"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"x", b"\xff", sent().replace(b"side=50", b"side=many"), sent().replace(b"picture=", b"other="), sent() + b"&side=50",
        sent() + b"&a=1&b=2&c=3&d=4", sent(picture="no base64!"), sent(side="nan"), sent(unit="inf"), sent(side=1), sent(side=-50),
    ],
)  # fmt: skip
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(Problem):
        read_crop_form(body)


def test_a_form_larger_than_any_page_makes_is_not_taken_apart() -> None:
    with pytest.raises(Problem) as refused:
        read_crop_form(sent(picture="A" * MOST_BYTES))
    assert refused.value.code == "body_too_large"
    noise = np.random.default_rng(0).integers(0, 256, (KEPT_SIDE, KEPT_SIDE, 3), dtype=np.uint8)
    assert len(urlencode({"picture": crop_form(DecodedImage(noise, KEPT_SIDE, KEPT_SIDE)).kept})) < 0.9 * MOST_BYTES


def test_the_square_is_explained(client: TestClient) -> None:
    picture = base64.b64encode(png(made_face())).decode()
    answer = client.post("/explain/crop", data={"picture": picture, "left": "0", "top": "0", "side": "40", "unit": "1"})
    assert answer.status_code == 200
    assert answer.text.count('class="hero-row"') == 2
    assert client.post("/explain/crop", data={"picture": "x"}).status_code == 400
