"""Overload, greedy clients, proxies, and the key."""

from __future__ import annotations

import base64
import re
import select
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.errors import Problem
from app.http.admission import PATIENCE_SECONDS as PATIENCE_SECONDS_FOR_UPLOADS
from app.http.admission import Places, RateLimit
from tests.live_server import GOOD_UPLOAD, PATIENCE_SECONDS, ROOT, SLOW_SERVICE, LiveServer, head, patiently, png, upload_request

PICTURE = png()


KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def small_server() -> Iterator[LiveServer]:
    """Two slots and two places in the queue; a key; metrics; the peer is a trusted proxy; each client may send 25 uploads."""
    limits: dict[str, Any] = {
        "queue_length": 2,
        "rate_limit_per_second": 0.001,
        "rate_limit_burst": 25,
        "trusted_proxies": "127.0.0.0/8",
        "body_timeout_seconds": 3600,
        "work_timeout_seconds": 120,
    }
    with LiveServer(SLOW_SERVICE, key=KEY, **limits) as running:
        yield running.wait_until_ready()


def test_overload(small_server: LiveServer) -> None:
    """Four are admitted and answered, all others refused at once, before their bodies are sent."""
    target, key = "/api/v1/explanations?sleep=5", {"authorization": f"Bearer {KEY}"}
    computed = small_server.get("/api/v1/counts").json["computed"]
    admitted = [small_server.connect().send(upload_request(GOOD_UPLOAD, target, **key)) for _ in range(2)]
    small_server.wait_for_computed(computed + 2)
    admitted += [small_server.connect().send(upload_request(GOOD_UPLOAD, **key)) for _ in range(2)]
    small_server.wait_for_metric("unturned_queue_depth", 2)
    refused = [small_server.connect().send(upload_request(b"", target, content_length="5000", **key)) for _ in range(8)]
    answers = [connection.answer() for connection in refused]
    assert [(answer.status, answer.code) for answer in answers] == [(503, "overloaded")] * 8
    assert all(answer.headers["retry-after"] == "1" for answer in answers)
    assert small_server.get("/health/live").status == 200
    assert [connection.answer().status for connection in admitted] == [200] * 4


def test_computed_pages_take_places_like_uploads(small_server: LiveServer) -> None:
    """And give them back when their client leaves; they are counted against the client's limit, too."""
    client = {"authorization": f"Bearer {KEY}", "x_forwarded_for": "192.0.2.11"}
    name = 'unturned_client_disconnects_total{phase="compute"}'
    before = small_server.metric(name)
    admitted = [small_server.connect().send(head("GET", "/samples/a?sleep=5", **client)) for _ in range(4)]
    small_server.wait_for_metric("unturned_queue_depth", 2)
    page = small_server.get("/samples/a", **client)
    assert (page.status, page.code, page.headers["retry-after"]) == (503, "overloaded", "1")
    assert small_server.post(GOOD_UPLOAD, x_forwarded_for="192.0.2.12").code == "overloaded"
    for connection in admitted:
        connection.close()
    small_server.wait_for_metric(name, before + 4)
    answers = [small_server.get("/samples/a", **client) for _ in range(21)]
    assert [(answer.status, answer.code) for answer in answers] == [(200, None)] * 20 + [(429, "rate_limited")]


def test_no_spelling_of_an_address_leads_past_the_limits(small_server: LiveServer) -> None:
    """A line break at the end is no part of a route, though the framework's patterns let one pass."""
    computed = small_server.get("/api/v1/counts").json["computed"]
    answer = small_server.post(GOOD_UPLOAD, "/api/v1/explanations%0a")
    assert (answer.status, answer.code) == (404, "not_found")
    assert small_server.get("/api/v1/counts").json["computed"] == computed


def test_a_page_that_computes_long_keeps_its_place(small_server: LiveServer) -> None:
    """It is not taken for an upload that hardly sends."""
    client = {"authorization": f"Bearer {KEY}", "x_forwarded_for": "192.0.2.13"}
    admitted = [small_server.connect().send(head("GET", "/samples/a?sleep=6", **client)) for _ in range(4)]
    small_server.wait_for_metric("unturned_queue_depth", 2)
    time.sleep(PATIENCE_SECONDS_FOR_UPLOADS + 0.5)
    assert small_server.get("/samples/a", **client).code == "overloaded"
    assert [connection.answer().json for connection in admitted] == [{"sample": "a"}] * 4


def test_stalled_uploads_lose_their_places(small_server: LiveServer) -> None:
    """As many stalled uploads as there are places do not keep others out."""
    client = {"x_forwarded_for": "192.0.2.7", "authorization": f"Bearer {KEY}"}
    stalled = [small_server.connect().send(upload_request(GOOD_UPLOAD[:30], content_length="5000", **client)) for _ in range(4)]
    for attempt, _ in enumerate(patiently()):
        if small_server.post(GOOD_UPLOAD, x_forwarded_for=f"2001:db8:{attempt:x}::1").status == 200:
            break
    else:
        raise AssertionError("stalled uploads keep all places")
    told, _, _ = select.select([connection.socket for connection in stalled], [], [], PATIENCE_SECONDS)
    assert [connection.answer().code for connection in stalled if connection.socket in told] == ["upload_timeout"]
    for connection in stalled:
        connection.close()


class MadeBody:
    """An upload that has had so many seconds and sent so many bytes."""

    def __init__(self, seconds: float, received_bytes: int, *, complete: bool = False) -> None:
        self.seconds, self.received_bytes, self.complete = seconds, received_bytes, complete
        self.told: list[str] = []

    def abort(self, problem: Problem) -> None:
        self.told.append(str(problem.code))


@pytest.mark.parametrize(
    ("seconds", "kib", "complete", "loses"),
    [
        (3.0, 40, False, True),  # 13 KiB a second
        (3.0, 60, False, False),  # 20 KiB a second
        (1.5, 1, False, False),  # too early to tell
        (3.0, 1, True, False),  # all of it is here: it waits for the models
    ],
)
def test_only_an_upload_that_has_been_slow_for_two_seconds_loses_its_place(
    seconds: float, kib: int, *, complete: bool, loses: bool
) -> None:
    places, body = Places(slots=1, queue_length=0), MadeBody(seconds, kib << 10, complete=complete)
    places.take(body)  # type: ignore[arg-type]
    if loses:
        places.take(MadeBody(0.0, 0))  # type: ignore[arg-type]
        assert body.told == ["upload_timeout"]
    else:
        with pytest.raises(Problem, match="overloaded"):
            places.take(MadeBody(0.0, 0))  # type: ignore[arg-type]
        assert body.told == []


def test_one_greedy_client(small_server: LiveServer) -> None:
    """One client is limited, others are not; behind a trusted proxy each is known by its own address."""
    statuses = [small_server.post(b"", x_forwarded_for="192.0.2.1").status for _ in range(26)]
    assert statuses == [422] * 25 + [429]
    limited = small_server.post(GOOD_UPLOAD, x_forwarded_for="192.0.2.1")
    assert (limited.status, limited.code) == (429, "rate_limited")
    assert int(limited.headers["retry-after"]) > 100
    assert small_server.post(GOOD_UPLOAD, x_forwarded_for="192.0.2.2").status == 200


def test_pipelined_uploads_are_each_counted(small_server: LiveServer) -> None:
    """Twenty-seven on one connection are two too many."""
    request = upload_request(b"", x_forwarded_for="192.0.2.9", authorization=f"Bearer {KEY}")
    connection = small_server.connect().send(request * 27)
    answers = [connection.answer() for _ in range(27)]
    assert [(answer.status, answer.code) for answer in answers] == [(422, "missing_field")] * 25 + [(429, "rate_limited")] * 2


def test_a_client_cannot_choose_the_address_it_is_counted_by() -> None:
    """Where no proxy is trusted, all forged addresses are one client."""
    with LiveServer(SLOW_SERVICE, rate_limit_per_second=0.001, rate_limit_burst=2) as server:
        server.wait_until_ready()
        answers = [server.post(b"", x_forwarded_for=f"192.0.2.{number}", forwarded=f"for=192.0.2.{number}") for number in range(4)]
        assert [(answer.status, answer.code) for answer in answers] == [(422, "missing_field")] * 2 + [(429, "rate_limited")] * 2


def test_clients_are_counted_by_address_or_by_network_of_64_bits() -> None:
    limit = RateLimit(per_second=0.001, burst=1)
    for client in ("192.0.2.1", "::ffff:192.0.2.2", "::ffff:192.0.2.3", "2001:db8:0:1::1", "2001:db8:0:2::1", "unix"):
        limit.spend(client)
    for same in ("::ffff:192.0.2.1", "192.0.2.2", "2001:db8:0:1::2"):
        with pytest.raises(Problem, match="rate_limited"):
            limit.spend(same)


def test_transport_security_behind_a_proxy(small_server: LiveServer) -> None:
    assert small_server.get("/info", x_forwarded_proto="https").headers["strict-transport-security"].startswith("max-age=31536000")


def test_the_proxy_of_the_documentation() -> None:
    """With its settings and the headers it sets, an upload from the public page is answered, and told of HTTPS."""
    text = (ROOT / "docs" / "service.md").read_text(encoding="utf-8").partition("### Behind a proxy")[2].partition("\n### ")[0]
    passed_on = {"$http_host": "faces.example.org", "$proxy_add_x_forwarded_for": "192.0.2.1", "$scheme": "https"}
    headers = {name.lower(): passed_on[value] for name, value in re.findall(r"proxy_set_header (\S+) (\S+);", text)}
    assert len(headers) == 3
    settings = {name.lower(): value for name, value in re.findall(r"UNTURNED_([A-Z_]+)=(\S+)", text)}
    with LiveServer(SLOW_SERVICE, **settings) as server:
        server.wait_until_ready()
        answer = server.post(GOOD_UPLOAD, origin="https://faces.example.org", **headers)
        assert answer.status == 200
        assert "strict-transport-security" in answer.headers


BASIC = "Basic " + base64.b64encode(f"anybody:{KEY}".encode()).decode()


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", KEY, "Basic !!", "Basic " + base64.b64encode(b"a:b").decode(), f"Digest {KEY}"]
)
def test_without_the_key(small_server: LiveServer, given: str) -> None:
    for target in ("/info", "/metrics", "/api/v1/models", "/docs", "/static/icons/favicon.svg"):
        answer = small_server.get(target, authorization=given)
        assert (answer.status, answer.code) == (401, "unauthorized")
        assert "Bearer" in answer.headers["www-authenticate"]
    assert small_server.get("/health/ready", authorization=given).status == 200


@pytest.mark.parametrize("given", [f"Bearer {KEY}", BASIC])
def test_with_the_key(small_server: LiveServer, given: str) -> None:
    assert small_server.get("/info", authorization=given).status == 200
