"""Every picture of :mod:`tests.pictures` through the whole service, over a socket."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.errors import ErrorCode
from tests import pictures
from tests.live_server import LiveServer, form, part
from tests.pictures import UPLOADS, Upload, encoded, portrait

TARGET = "/api/v1/explanations"
ADVICE = {"no_face": "ask for the crop 'whole'", "unsupported_image_format": "JPEG"}


@pytest.fixture(scope="module")
def server(random_checkpoints: Path) -> Iterator[LiveServer]:
    with LiveServer("-m", "app.cli", "serve", checkpoint_dir=random_checkpoints, decode_timeout_seconds=10) as running:
        yield running.wait_until_ready()


def explained(server: LiveServer, data: bytes, query: str = "") -> Any:
    answer = server.post(form(part(data)), TARGET + query)
    assert answer.status == 200, answer.body
    return answer.json


def logits(answer: Any, view: str = "original") -> Any:
    return np.array([answer["faces"][0]["explanations"][name]["logits"][view] for name in ("baseline", "ours")])


def is_sound(face: Any, image: Any) -> bool:
    """Whether a face's box lies in the picture, and has a score if it was detected."""
    left, top, width, height = face["box"]
    inside = min(left, top) >= 0 and left + width <= image["width"] and top + height <= image["height"]
    return inside and (0 < face["score"] <= 1 if face["source"] == "detected" else face["score"] is None)


@pytest.mark.parametrize("upload", UPLOADS, ids=lambda upload: upload.name)
def test_status_code_and_warnings(server: LiveServer, upload: Upload) -> None:
    answer = server.post(form(part(upload.build())), TARGET)
    expected = upload.code or ("no_face" if upload.face == "none" else None)
    if upload.code is None and upload.face == "either" and answer.status != 200:
        expected = "no_face"
    assert answer.status == (ErrorCode(expected).status if expected else 200)
    assert answer.code == expected
    if answer.status == 200:
        assert set(upload.warnings) <= set(answer.json["warnings"])
        assert len(answer.body) <= 1 << 20
        assert all(is_sound(face, answer.json["image"]) for face in answer.json["faces"])
    elif expected in ADVICE:
        assert ADVICE[expected] in answer.json["detail"]


def test_a_face_that_leaves_the_picture_is_cropped_beyond_it(server: LiveServer) -> None:
    """The box ends at the border, the crop goes on."""
    (face,) = explained(server, pictures.cut_face())["faces"]
    assert face["box"][0] == 0
    assert face["crop"][0] < 0


def test_a_tiny_face_comes_with_a_warning(server: LiveServer) -> None:
    assert "low_resolution_face" in explained(server, pictures.face_on_grey(12))["warnings"]


@pytest.mark.parametrize("target", [TARGET, "/api/v1/figures?format=png", "/api/v1/figures?format=svg", "/api/v1/maps", "/explain"])
def test_nothing_of_the_file_is_served_back(server: LiveServer, target: str) -> None:
    """Neither what is behind a picture nor its own bytes."""
    picture, behind = encoded(portrait(), "JPEG"), b"<script>alert('behind')</script>PK\x03\x04"
    answer = server.post(form(part(picture + behind)), target)
    assert answer.status == 200
    assert b"behind" not in answer.body
    assert picture[1000:1032] not in answer.body


def test_flat_pictures_of_25_megapixels_are_refused_beside_others(server: LiveServer) -> None:
    flat, small = form(part(pictures.flat_png(5000))), form(part(encoded(portrait(), "PNG")))
    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(lambda body: server.post(body, TARGET), [flat, small] * 3))
    assert [(answer.status, answer.code) for answer in answers] == [(422, "no_face"), (200, None)] * 3


@pytest.mark.parametrize("upload", [upload for upload in UPLOADS if upload.face == "none"], ids=lambda upload: upload.name)
def test_pictures_without_a_face_can_be_taken_whole(server: LiveServer, upload: Upload) -> None:
    answer = explained(server, upload.build(), "?crop=whole")
    assert answer["faces"][0]["source"] == "whole"
    assert np.isfinite(logits(answer)).all()


def test_name_and_declared_type_are_ignored(server: LiveServer) -> None:
    """Bytes decide."""
    content = part(encoded(portrait(), "PNG"), 'form-data; name="image"; filename="face.jpg"', b"Content-Type: image/gif")
    assert server.post(form(content), TARGET).status == 200


def test_all_orientations_give_the_same_answer(server: LiveServer) -> None:
    answers = [explained(server, pictures.oriented(orientation)) for orientation in pictures.STORED]
    for answer in answers[1:]:
        assert answer["faces"][0]["box"] == answers[0]["faces"][0]["box"]
        assert np.abs(logits(answer) - logits(answers[0])).max() <= 1e-3


def test_colours_that_alpha_hides_have_no_effect(server: LiveServer) -> None:
    """The hidden colours against white in their place."""
    shown = Image.open(io.BytesIO(pictures.hidden_colours()))
    on_white = Image.new("RGBA", shown.size, "white")
    on_white.alpha_composite(shown)
    first, second = (explained(server, data) for data in (pictures.hidden_colours(), encoded(on_white.convert("RGB"), "PNG")))
    assert np.abs(logits(first) - logits(second)).max() <= 1e-6


@pytest.mark.parametrize("build", [pictures.cmyk, pictures.ycck])
def test_cmyk_gives_the_same_class(server: LiveServer, build: Callable[[], bytes]) -> None:
    plain = explained(server, encoded(portrait(), "JPEG", quality=95))
    assert (logits(plain).argmax(1) == logits(explained(server, build())).argmax(1)).all()


def test_lossless_formats_agree(server: LiveServer) -> None:
    png, webp = (explained(server, encoded(portrait(), kind, **options)) for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})))
    assert np.abs(logits(png) - logits(webp)).max() <= 1e-6


def test_a_pad_of_a_pixel_hardly_matters(server: LiveServer) -> None:
    """0.05 in probability."""
    plain, padded = (explained(server, encoded(image, "PNG")) for image in (portrait(), ImageOps.expand(portrait(), 1)))
    for name in ("baseline", "ours"):
        one, other = (np.array(answer["faces"][0]["explanations"][name]["probabilities"]["original"]) for answer in (plain, padded))
        assert np.abs(one - other).max() <= 0.05


def test_a_mirrored_picture_taken_whole_swaps_the_views(server: LiveServer) -> None:
    plain, mirrored = (explained(server, encoded(image, "PNG"), "?crop=whole") for image in (portrait(), ImageOps.mirror(portrait())))
    for name in ("baseline", "ours"):
        one, other = (answer["faces"][0]["explanations"][name]["maps"] for answer in (plain, mirrored))
        assert np.abs(np.array(one["original"]) - np.array(other["flipped"])).max() <= 1e-4
        assert np.abs(np.array(one["flipped"]) - np.array(other["original"])).max() <= 1e-4


def test_a_crowd_is_counted_and_eight_are_explained(server: LiveServer) -> None:
    answer = explained(server, pictures.crowd(20, 10, 32))
    assert answer["faces_found"] == 200
    assert len(answer["faces"]) == 8
    assert len(explained(server, pictures.crowd(20, 10, 32), "?faces=3")["faces"]) == 3
