"""Forms, over a real socket."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.errors import Problem
from app.http.uploads import read_upload
from tests.live_server import BOUNDARY, GOOD_UPLOAD, SLOW_SERVICE, LiveServer, form, part, png

PICTURE = png()


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer(SLOW_SERVICE) as running:
        yield running.wait_until_ready()


def field(name: str) -> str:
    return f'form-data; name="{name}"'


UPLOADS = {
    "empty body": (b"", {}, 422, "missing_field"),
    "no content type": (GOOD_UPLOAD, {"content_type": ""}, 415, "unsupported_media_type"),
    "JSON": (b"{}", {"content_type": "application/json"}, 415, "unsupported_media_type"),
    "no boundary": (GOOD_UPLOAD, {"content_type": "multipart/form-data"}, 400, "malformed_multipart"),
    "long boundary": (GOOD_UPLOAD, {"content_type": f"multipart/form-data; boundary={'b' * 300}"}, 400, "malformed_multipart"),
    "wrong field": (form(part(PICTURE, 'form-data; name="CANARY"; filename="a.png"')), {}, 422, "missing_field"),
    "text": (form(part(b"CANARY", field("image"))), {}, 422, "not_a_file"),
    "filename*": (form(part(PICTURE, "form-data; name=\"image\"; filename*=UTF-8''CANARY.png")), {}, 422, "not_a_file"),
    "no bytes": (form(part(b"")), {}, 422, "empty_upload"),
    "twice": (form(part(PICTURE), part(PICTURE)), {}, 422, "duplicate_field"),
    "extra field": (form(part(PICTURE), part(b"CANARY", field("CANARY"))), {}, 422, "unexpected_field"),
    "second file": (form(part(PICTURE), part(PICTURE, 'form-data; name="b"; filename="CANARY"')), {}, 422, "unexpected_field"),
    "1,100 parts": (form(*[part(b"", field(f"f{number}")) for number in range(1100)]), {}, 400, "too_many_parts"),
    "100,000 empty parts": (form(*[part(b"", field("f"))] * 100_000), {}, 400, "too_many_parts"),
    "part headers": (form(part(PICTURE, field("image"), *[b"X-A: b"] * 8)), {}, 400, "malformed_multipart"),
    "long header": (form(part(PICTURE, field("image"), b"X-A: " + b"b" * 4300)), {}, 400, "malformed_multipart"),
    "no name": (form(part(PICTURE, "form-data")), {}, 400, "malformed_multipart"),
    "cut": (part(PICTURE), {}, 400, "malformed_multipart"),
}


@pytest.mark.parametrize("case", UPLOADS)
def test_multipart(server: LiveServer, case: str) -> None:
    """The exact code, and nothing of what was sent in the answer."""
    body, headers, status, code = UPLOADS[case]
    answer = server.post(body, **headers)
    assert (answer.status, answer.code) == (status, code)
    assert b"CANARY" not in answer.body
    if code in {"missing_field", "not_a_file", "empty_upload"}:
        assert answer.json["pointer"] == "/image"


def test_good_upload(server: LiveServer) -> None:
    answer = server.post(GOOD_UPLOAD)
    assert answer.status == 200
    assert answer.json["bytes"] == len(PICTURE)


@pytest.mark.parametrize("name", ["image", "other"])
def test_an_uploads_bytes_go_with_it(name: str) -> None:
    """Also a refused one's, and without waiting for the collector of cycles."""
    body = form(part(bytes(4 << 20), f'form-data; name="{name}"; filename="a"'))

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def read() -> None:
        headers = [(b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode())]
        with suppress(Problem):
            await read_upload(Request({"type": "http", "headers": headers}, receive))

    gc.disable()
    tracemalloc.start()
    try:
        asyncio.run(read())
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept < 1 << 20


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>",
        "../../x",
        "n" * 4000,
        "a\0b",
        "\u202egnp.exe",
        "\N{GRINNING FACE}.png",
        "e\u0301.png",
        "a\\r\\nX-Y: z",
        "a\r\nX-Y: z",
    ],
)
def test_file_names_do_not_matter(server: LiveServer, name: str) -> None:
    answer = server.post(form(part(PICTURE, f'form-data; name="image"; filename="{name}"')))
    assert answer.status == 200
