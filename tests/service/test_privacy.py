"""Nothing a client sends is found again in logs, metrics, errors or files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.live_server import LiveServer, form, head, part, png, upload_request

CANARY = "CANARY-7f3a"


@pytest.fixture(scope="module")
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def server(random_checkpoints: Path, temporary_files: Path) -> Iterator[LiveServer]:
    """The whole service, with a folder of its own for temporary files."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(temporary_files))
        running = LiveServer("-m", "app.cli", "serve", checkpoint_dir=random_checkpoints)
    with running:
        yield running.wait_until_ready()


def marked_picture() -> bytes:
    """A PNG with the canary in its text, a PNG chunk of its own and EXIF."""
    texts = PngInfo()
    texts.add_text("Comment", CANARY)
    exif = Image.Exif()
    exif[0x010E] = CANARY  # ImageDescription
    buffer = BytesIO()
    with Image.open(BytesIO(png())) as picture:
        picture.save(buffer, "PNG", pnginfo=texts, exif=exif)
    return buffer.getvalue()


def requests() -> Iterator[bytes]:
    """The canary in every place a client can put it."""
    picture = marked_picture()
    marked = {"user_agent": CANARY, "x_canary": CANARY, "cookie": CANARY, "referer": f"http://{CANARY}/", "x_request_id": f"{CANARY}!"}
    disposition = f'form-data; name="image"; filename="{CANARY}.png"'
    target = "/api/v1/explanations?crop=whole"
    yield upload_request(form(part(picture, disposition)), target, **marked)
    yield upload_request(form(part(picture[:-20], disposition)), target, **marked)
    yield upload_request(form(part(picture.replace(b"IDAT", b"IDAX"), disposition)), target)
    yield upload_request(form(part(CANARY.encode(), disposition)), target)
    yield upload_request(form(part(CANARY.encode(), 'form-data; name="image"')), target)
    yield upload_request(form(part(picture, f'form-data; name="{CANARY}"; filename="a"')), target)
    yield upload_request(form(part(picture, disposition)), f"/api/v1/explanations?models={CANARY}")
    yield upload_request(form(part(picture, disposition)), f"/api/v1/explanations?{CANARY}=1")
    yield upload_request(form(part(picture, disposition)), f"/api/v1/explanations?crop={CANARY}&method={CANARY}&faces={CANARY}")
    yield upload_request(form(part(picture, disposition)), f"/api/v1/figures?format={CANARY}")
    yield upload_request(form(part(picture, disposition)), "/api/v1/figures?crop=whole&format=svg")
    yield upload_request(form(part(picture, disposition)), "/api/v1/maps?crop=whole")
    yield upload_request(form(part(picture, disposition)), "/explain?crop=whole")
    yield upload_request(b"", target, content_type=f"{CANARY}/x")
    yield upload_request(form(part(picture)), target, content_type=f"multipart/form-data; boundary={CANARY}")
    yield upload_request(form(part(picture)), target, origin=f"http://{CANARY}")
    for path in (
        f"/{CANARY}",
        f"/api/v1/samples/{CANARY}",
        f"/api/v1/models/{CANARY}",
        f"/static/{CANARY}",
        f"/models/{CANARY}",
        f"/problems/{CANARY}",
    ):
        yield head("GET", path, **marked)
    yield head("GET", "/info", host=CANARY)
    yield head(CANARY, "/info")
    yield f"{CANARY}\r\n\r\n".encode()


def test_nothing_is_repeated_or_kept(server: LiveServer, temporary_files: Path) -> None:
    statuses = []
    names: set[str] = set()
    for request in requests():
        answer = server.send(request)
        statuses.append(answer.status)
        names.add(answer.headers["x-request-id"])
        assert CANARY not in str(answer.headers), request[:80]
        assert CANARY.encode() not in answer.body, request[:80]
    assert statuses.count(200) >= 4  # the canary was in good uploads, too
    assert max(statuses) < 500
    assert CANARY.encode() not in server.get("/metrics").body
    log = server.log()
    assert names <= {line.get("request_id") for line in log}
    assert CANARY not in str(log)
    assert "127.0.0.1" not in str([line for line in log if line["event"] == "request"])
    assert list(temporary_files.rglob("*")) == []


def test_the_serving_process_dumps_no_memory(server: LiveServer) -> None:
    limits = Path(f"/proc/{server.process.pid}/limits").read_text().splitlines()
    (core,) = [line.split() for line in limits if line.startswith("Max core file size")]
    assert core[4:6] == ["0", "0"]


def test_answers_are_not_to_be_kept(server: LiveServer) -> None:
    for target in ("/api/v1/explanations?crop=whole", "/api/v1/figures?crop=whole", "/explain?crop=whole"):
        answer = server.post(form(part(png())), target)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-store"


def test_documentation_page_is_served_from_here(server: LiveServer) -> None:
    """Nothing from elsewhere, no inline script."""
    answer = server.get("/docs")
    page = answer.body.decode()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert not [address for address in addresses if not re.match("/(?!/)|#", address)]
    files = [address for address in addresses if address.startswith("/static/")]
    assert len([name for name in files if "swagger-ui" in name]) == 3
    for address in files:
        assert server.get(address).status == 200
    assert not re.search(r"<script(?![^>]*src=)", page)
    assert "script-src 'self';" in answer.headers["content-security-policy"]


def test_pages_have_a_strict_policy(server: LiveServer) -> None:
    """No page allows inline scripts or styles, whatever it is answered to."""
    for target in ("/", "/about", "/models", "/results", "/claims", "/faces"):
        headers = server.get(target).headers
        assert headers["content-type"].startswith("text/html"), target
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy
        assert ("data:" in policy) is (target == "/")  # the first result's pictures are in the page itself
    result = server.post(form(part(png())), "/explain?crop=whole").headers["content-security-policy"]
    assert "img-src 'self' data:" in result
    assert "unsafe" not in result
