"""The whole service with random weights: the same answer each time, the gallery, downloads, memory, and what it says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.metrics import STAGES
from tests.live_server import LiveServer, form, part, png
from tests.pictures import flat_png

TARGET = "/api/v1/explanations?crop=whole"


@pytest.fixture(scope="module")
def server(random_checkpoints: Path) -> Iterator[LiveServer]:
    with LiveServer("-m", "app.cli", "serve", checkpoint_dir=random_checkpoints) as running:
        yield running.wait_until_ready()


def explained(server: LiveServer, picture: bytes) -> Any:
    answer = server.post(form(part(picture)), TARGET)
    assert answer.status == 200
    return {name: value for name, value in answer.json.items() if name != "request_id"}


def test_same_picture_again(server: LiveServer) -> None:
    """The same answer each time, also beside other pictures."""
    pictures = [png(48 + 8 * number, 48) for number in range(6)]
    alone = [explained(server, picture) for picture in pictures]
    assert alone[0] != alone[1]
    with ThreadPoolExecutor(4) as clients:
        for beside in clients.map(lambda number: (number % 6, explained(server, pictures[number % 6])), range(60)):
            assert beside[1] == alone[beside[0]]


NO_SAMPLES = [
    "..%2f..",
    "%00",
    "C:%5C",
    "%2Fetc%2Fpasswd",
    "a" * 5000,
    "..",
    "obama-portrait.jpg",
    "A",
    "index.json",
    "..%2fsamples%2fbiden",
]


@pytest.mark.parametrize("name", NO_SAMPLES)
def test_unknown_samples(server: LiveServer, name: str) -> None:
    answer = server.get(f"/api/v1/samples/{name}")
    assert (answer.status, answer.code) == (404, "sample_not_found")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        *((f"/api/v1/figures?format={kind}", f"unturned.{kind}") for kind in ("png", "svg", "pdf")),
        ("/api/v1/maps?gauge=trained", "unturned-maps.npz"),
    ],
)
def test_downloads(server: LiveServer, target: str, name: str) -> None:
    """A name of ours, whatever the file's was, and nothing a browser could run, frame or take for something else."""
    picture = part(png(), 'form-data; name="image"; filename="evil.html"')
    headers = server.post(form(picture), f"{target}&crop=whole").headers
    assert headers["content-disposition"] == f'attachment; filename="{name}"'
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert headers["cache-control"] == "no-store"


def test_memory_does_not_grow(server: LiveServer) -> None:
    """In short; benchmarks/soak.py has the long form. 80 pictures of many sizes leave less than 1/4 MB each."""
    pictures = [png(48 + 37 * (number % 7), 60 + 53 * (number % 11)) for number in range(40)]

    def serve_all() -> int:
        for picture in pictures:
            explained(server, picture)
        return server.resident_bytes()

    before = [serve_all() for _ in range(2)][-1]
    after = [serve_all() for _ in range(2)][-1]
    assert after - before < 2 * 40 * (1 << 18)


def test_metrics_of_an_upload(server: LiveServer) -> None:
    route = "/api/v1/explanations"
    before = server.metric(f'unturned_http_requests_total{{method="POST",route="{route}",status="200"}}')
    explained(server, png())
    assert server.metric(f'unturned_http_requests_total{{method="POST",route="{route}",status="200"}}') == before + 1
    for stage in STAGES:
        assert server.metric(f'unturned_stage_duration_seconds_count{{stage="{stage}"}}') > 0, stage
    for name in ("upload_bytes_count", "faces_per_image_count", "batch_images_count", "model_load_seconds", "queue_capacity"):
        assert server.metric(f"unturned_{name}") > 0, name
    for name in ("decoder_restarts_total", "model_reload_failures_total", "log_dropped_total", "queue_depth"):
        assert server.metric(f"unturned_{name}") == 0, name
    assert server.metric("process_resident_memory_bytes") > 0


def test_it_tells_what_it_is(server: LiveServer, random_checkpoints: Path) -> None:
    information = server.get("/info").json
    files = {name: (random_checkpoints / f"{name}.safetensors").read_bytes() for name in ("baseline", "mek_sf")}
    assert information["models"] == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert information["limits"]["body_limit_bytes"] == 10 << 20
    assert "Not for judging employees" in information["purpose"]
    assert server.get("/health/ready").json["models"] == {"baseline": "ready", "mek_sf": "ready"}
    assert server.metric(f'unturned_model_info{{model="mek_sf",sha256="{information["models"]["mek_sf"]}"}}') == 1


def test_log_line_of_an_upload(server: LiveServer) -> None:
    answer = server.post(form(part(png())), TARGET)
    line = server.wait_for_line(request_id=answer.json["request_id"])
    assert line["route"] == "/api/v1/explanations"
    assert (line["status"], line["faces"], line["width"], line["height"]) == (200, 1, 48, 48)
    assert line["bytes_in"] > len(png())
    assert {"receive", "decode", "forward"} <= line["stage_ms"].keys()


def test_a_picture_without_a_face_is_counted_and_logged_like_any_other(server: LiveServer) -> None:
    samples = ('unturned_faces_per_image_bucket{le="0.0"}', 'unturned_stage_duration_seconds_count{stage="queue"}')
    before = [server.metric(name) for name in samples]
    answer = server.post(form(part(flat_png(200))), "/api/v1/explanations")
    assert answer.code == "no_face"
    line = server.wait_for_line(request_id=answer.json["request_id"])
    assert (line["code"], line["faces"], line["width"], line["height"], line["models"]) == ("no_face", 0, 200, 200, 2)
    assert {"decode", "detect", "queue"} <= line["stage_ms"].keys()
    assert [server.metric(name) for name in samples] == [count + 1 for count in before]


def test_problem_pages(server: LiveServer) -> None:
    kind = server.get("/problems/too_many_pixels").json
    assert (kind["code"], kind["status"]) == ("too_many_pixels", 422)
    assert server.get("/problems/nope").code == "not_found"
