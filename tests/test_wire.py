"""Rows 12-27 of the catalogue of bad input: framing, deadlines and connections, over a real socket.

Everything is the real service but the models, which :mod:`tests.slow_service` stands in for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.live_server import BOUNDARY, ROOT, LiveServer, form, head, part, patiently, png, upload_request

SLOW_SERVICE = str(ROOT / "tests" / "slow_service.py")
PICTURE = png()
GOOD = form(part(PICTURE))
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """A service with short deadlines, so that what must end ends soon."""
    running = LiveServer(SLOW_SERVICE, head_timeout_seconds=1, body_timeout_seconds=2, write_timeout_seconds=2, max_connections=64)
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def service_lives(server: LiveServer) -> Iterator[None]:
    """Whatever a test did, the next upload is answered."""
    yield
    for _ in patiently():
        if server.post(GOOD).status == 200:
            return
    raise AssertionError("the service no longer answers uploads")


def test_client_that_leaves_while_sending(server: LiveServer) -> None:
    """Row 12: no answer, counted, and no error in the log."""
    name = 'unturned_client_disconnects_total{phase="receive"}'
    before = server.metric(name)
    connection = server.connect().send(upload_request(GOOD, content_length=str(len(GOOD) + 5000)))
    connection.close()
    server.wait_for_metric(name, before + 1)
    assert not [line for line in server.lines if line["level"] == "error"]


def test_length_over_the_limit_is_refused_unread(server: LiveServer) -> None:
    """Rows 13 and 15: the answer comes before the body, without 100 Continue, and can be read while still sending."""
    connection = server.connect().send(upload_request(b"", content_length="20000000", expect="100-continue"))
    answer = connection.answer()
    assert (answer.status, answer.code) == (413, "body_too_large")
    connection.send(b"x" * 100_000).send(b"x" * 100_000)  # a reset connection would refuse the second
    assert connection.ended()
    sender = server.connect().send(upload_request(b"", content_length="20000000")).send(b"x" * 900_000)
    assert sender.answer().code == "body_too_large"


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


def test_chunked_body_over_the_limit(server: LiveServer) -> None:
    """Row 14: counted as it arrives; a route that reads no body answers as ever and lets it pass."""
    start = head("POST", "/api/v1/explanations", content_type=MULTIPART, transfer_encoding="chunked")
    connection = server.connect().send(start + chunked(part(b"")))
    try:
        for _ in range(11):
            connection.send(chunked(b"x" * (1 << 20)))
    except OSError:
        pass  # refused before all was sent
    assert connection.answer().code == "body_too_large"
    for target, status in (("/nope", 404), ("/info", 405)):
        other = server.connect().send(head("POST", target, transfer_encoding="chunked") + chunked(b"x" * 100_000))
        assert other.answer().status == status
    small = server.connect().send(head("POST", "/nope", content_length="100000"))
    assert small.answer().code == "body_too_large"


def test_chunked_upload(server: LiveServer) -> None:
    start = head("POST", "/api/v1/explanations", content_type=MULTIPART, transfer_encoding="chunked")
    assert server.send(start + chunked(GOOD[:100], GOOD[100:]) + b"0\r\n\r\n").status == 200


def test_both_kinds_of_length(server: LiveServer) -> None:
    """Row 16: refused, and what follows is not taken for a second request."""
    smuggled = b"0\r\n\r\n" + head("GET", "/info")
    fields = {"content_length": str(len(smuggled)), "transfer_encoding": "chunked"}
    connection = server.connect().send(head("POST", "/api/v1/explanations", content_type=MULTIPART, **fields) + smuggled)
    assert connection.answer().code == "malformed_request"
    assert connection.ended()


NOT_HTTP = {
    "two lengths": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "negative length": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -3\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: localhost\r\n\r\n",
    "bad verb": b"G\x00T / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"\x01" * 50 + b"\r\n",
    "bad chunk": head("POST", "/api/v1/explanations", content_type=MULTIPART, transfer_encoding="chunked") + b"zz\r\n",
}


@pytest.mark.parametrize("case", NOT_HTTP)
def test_not_http(server: LiveServer, case: str) -> None:
    """Row 17."""
    connection = server.connect().send(NOT_HTTP[case])
    answer = connection.answer()
    assert (answer.status, answer.code) == (400, "malformed_request")
    assert answer.headers["connection"] == "close"
    connection.socket.shutdown(1)
    assert connection.ended()


LONG_HEADS = {
    "18 one header of 100 kB": (head("GET", "/info", x="a" * 100_000), 431, "headers_too_large"),
    "18 1,000 headers": (head("GET", "/info", **{f"x{number}": "a" for number in range(1000)}), 431, "headers_too_large"),
    "18 many headers": (head("GET", "/info", **{f"x{number}": "a" for number in range(200)}), 431, "headers_too_large"),
    "19 address of 9 kB": (head("GET", "/info?" + "a" * 9000), 414, "uri_too_long"),
    "19 address of 100 kB": (head("GET", "/" + "a" * 100_000), 414, "uri_too_long"),
}


@pytest.mark.parametrize("case", LONG_HEADS)
def test_long_heads(server: LiveServer, case: str) -> None:
    """Rows 18 and 19."""
    request, status, code = LONG_HEADS[case]
    answer = server.send(request)
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize("sent", [b"", b"GET /info HT", b"GET /info HTTP/1.1\r\nHost: 127.0.0.1\r\nX"])
def test_slow_heads_are_cut(server: LiveServer, sent: bytes) -> None:
    """Row 20, also for the second request of a connection."""
    assert server.connect().send(sent).ended()
    if sent:
        connection = server.connect().send(head("GET", "/health/live"))
        assert connection.answer().status == 200
        assert connection.send(sent).ended()


def test_a_trickled_head_is_cut(server: LiveServer) -> None:
    """Row 20: the deadline is absolute, a byte now and then does not move it."""
    connection = server.connect()
    try:
        for _ in patiently():
            connection.send(b"G")
    except OSError:
        return
    raise AssertionError("still open")


def test_slow_bodies_are_refused(server: LiveServer) -> None:
    """Row 21."""
    connection = server.connect().send(upload_request(GOOD[:50], content_length=str(len(GOOD))))
    answer = connection.answer()
    assert (answer.status, answer.code, answer.headers["connection"]) == (408, "upload_timeout", "close")
    assert connection.ended()


def test_answers_nobody_reads(server: LiveServer) -> None:
    """Row 22: the connection is dropped and counted."""
    name = 'unturned_client_disconnects_total{phase="send"}'
    before = server.metric(name)
    connection = server.connect().send(upload_request(GOOD, "/api/v1/explanations?padding_bytes=30000000"))
    server.wait_for_metric(name, before + 1)
    connection.close()


def test_many_idle_connections(server: LiveServer) -> None:
    """Row 23: more idle connections than there is room for disturb nobody."""
    idle = [server.connect() for _ in range(200)]
    assert server.post(GOOD).status == 200
    for connection in idle:
        connection.close()


def test_client_that_leaves_while_computing(server: LiveServer) -> None:
    """Row 25: what waits for a slot is dropped, what runs ends, both are in the log as 499."""
    name = 'unturned_client_disconnects_total{phase="compute"}'
    before, computed = server.metric(name), server.get("/api/v1/counts").json["computed"]
    leaving = [server.connect().send(upload_request(GOOD, "/api/v1/explanations?sleep=1")) for _ in range(6)]
    for _ in patiently():
        if server.get("/api/v1/counts").json["computed"] == computed + 2:
            break
    for connection in leaving:
        connection.close()
    server.wait_for_metric(name, before + 6)
    assert server.post(GOOD).status == 200
    assert server.get("/api/v1/counts").json["computed"] == computed + 3
    assert sum(line.get("status") == 499 and line.get("route") == "/api/v1/explanations" for line in server.lines) >= 6


def test_same_request_again(server: LiveServer) -> None:
    """Row 26, in short: identical answers."""
    answers = [server.post(GOOD) for _ in range(20)]
    assert {answer.body for answer in answers} == {answers[0].body}
    assert len({answer.headers["x-request-id"] for answer in answers}) == 20


def test_pipelined_requests(server: LiveServer) -> None:
    """Row 27: answered in order."""
    targets = [f"/api/v1/explanations?faces={number}" for number in range(10)]
    connection = server.connect().send(b"".join(upload_request(GOOD, target) for target in targets))
    assert [connection.answer().json["faces"] for _ in targets] == list(range(10))


def test_one_slow_client_of_each_kind_disturbs_nobody(server: LiveServer) -> None:
    """Uploads are answered while others stay silent, stop midway or do not read."""
    slow = [
        server.connect(),
        server.connect().send(b"POST /api"),
        server.connect().send(upload_request(GOOD[:20], content_length="5000")),
        server.connect().send(upload_request(GOOD, "/api/v1/explanations?padding_bytes=20000000")),
    ]
    start = time.monotonic()
    while time.monotonic() - start < 3:
        assert server.post(GOOD).status == 200
    for connection in slow:
        connection.close()
