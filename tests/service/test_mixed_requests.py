"""Many clients asking for different things at once each get what they would have got alone."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import pictures
from tests.live_server import Answer, LiveServer, form, head, part, png, upload_request
from tests.pictures import encoded, portrait

API = "/api/v1/explanations"
REQUESTS = 2000
CLIENTS = 32


@pytest.fixture(scope="module")
def server(random_checkpoints: Path) -> Iterator[LiveServer]:
    """A service with a place for every client, so that nobody is told to come again, and with time for all of them."""
    patience: dict[str, Any] = {"work_timeout_seconds": 120, "decode_timeout_seconds": 20, "body_timeout_seconds": 120}
    with LiveServer("-m", "app.cli", "serve", checkpoint_dir=random_checkpoints, queue_length=2 * CLIENTS, **patience) as running:
        yield running.wait_until_ready()


def kinds() -> dict[bytes, int]:
    """Requests, and how often each comes for one of the rarest."""
    faces = [form(part(png(48 + 8 * number, 48))) for number in range(4)]
    photo, bare = form(part(encoded(portrait(), "JPEG"))), form(part(pictures.flat_png(600)))
    cut, junk = form(part(encoded(portrait(), "PNG")[:-40])), form(part(b"junk"))
    asked = {
        **{upload_request(face, f"{API}?crop=whole"): 12 for face in faces},
        upload_request(faces[0], f"{API}?crop=whole&models=ours&gauge=trained&encoding=base64"): 12,
        upload_request(faces[1], f"{API}?crop=whole&method=gradcam%2B%2B"): 12,
        upload_request(faces[2], f"{API}?crop=4,4,40,40&models=baseline"): 12,
        upload_request(photo, API): 4,
        upload_request(faces[3], "/api/v1/maps?crop=whole"): 12,
        upload_request(faces[0], "/explain?crop=whole"): 4,
        upload_request(faces[1], "/api/v1/figures?crop=whole&format=svg"): 1,
    }
    refused = {upload_request(body, API): 12 for body in (bare, cut, junk, b"", faces[0][:-4], form(part(pictures.animation("PNG"))))}
    refused[upload_request(faces[0], f"{API}?models=nobody")] = 12
    refused[upload_request(faces[0], API, origin="https://evil.example")] = 12
    targets = ("/", "/models", "/api/v1/models", "/info", "/static/samples/biden.jpg", "/api/v1/samples/nope", "/nope", "/explain")
    return asked | refused | {head("GET", target): 12 for target in targets}


def said(answer: Answer) -> tuple[int, str | None, bytes]:
    """All of an answer but the name of its request."""
    return answer.status, answer.headers.get("content-type"), re.sub(rb'"request_id":"\w+"', b"", answer.body)


@pytest.mark.slow
def test_every_answer_is_the_one_given_alone(server: LiveServer) -> None:
    asked = kinds()
    alone = {request: said(server.send(request)) for request in asked}
    assert {status for status, _, _ in alone.values()} == {200, 400, 403, 404, 405, 422}
    assert len({body for status, _, body in alone.values() if status == 200}) == sum(status == 200 for status, _, _ in alone.values())
    source = random.Random(17)
    requests = source.choices(list(asked), list(asked.values()), k=REQUESTS)
    with ThreadPoolExecutor(CLIENTS) as clients:
        for request, answer in zip(requests, clients.map(server.send, requests), strict=True):
            assert said(answer) == alone[request], request[:200]
    assert not [line for line in server.log() if line["level"] == "error"]
