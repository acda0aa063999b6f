"""Framing, lengths and pipelining, over a real socket.

Everything is the real service but the models, which :mod:`tests.slow_service` stands in for.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest

from app.http.wire import LINGER_BYTES, LINGER_SECONDS
from tests.live_server import (
    BOUNDARY,
    GOOD_UPLOAD,
    PATIENCE_SECONDS,
    SLOW_SERVICE,
    LiveServer,
    form,
    head,
    part,
    patiently,
    png,
    upload_request,
)

PICTURE = png()
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
CHUNKED_UPLOAD = head("POST", "/api/v1/explanations", content_type=MULTIPART, transfer_encoding="chunked")


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """A service with short deadlines, so that what must end ends soon."""
    with LiveServer(SLOW_SERVICE, head_timeout_seconds=1, body_timeout_seconds=2, write_timeout_seconds=2, max_connections=64) as running:
        yield running.wait_until_ready()


@pytest.fixture(autouse=True)
def service_lives(server: LiveServer) -> Iterator[None]:
    """Whatever a test did, the next upload is answered."""
    yield
    server.assert_serves()


def test_client_that_leaves_while_sending(server: LiveServer) -> None:
    """No answer, counted, and no error in the log."""
    name = 'unturned_client_disconnects_total{phase="receive"}'
    before = server.metric(name)
    connection = server.connect().send(upload_request(GOOD_UPLOAD, content_length=str(len(GOOD_UPLOAD) + 5000)))
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.ended()
    server.connect().send(upload_request(GOOD_UPLOAD[:60], content_length=str(len(GOOD_UPLOAD)))).close()
    server.wait_for_metric(name, before + 2)
    assert not [line for line in server.log() if line["level"] == "error"]


def test_memory_of_broken_off_uploads_comes_back(server: LiveServer) -> None:
    """96 MiB of halves of uploads leave less than half of it."""
    name = 'unturned_client_disconnects_total{phase="receive"}'
    half = upload_request(form(part(bytes(8 << 20))))[: 4 << 20]
    start, before = server.metric(name), 0
    for number in range(26):
        before = server.resident_bytes() if number == 2 else before
        server.connect().send(half).close()
        server.wait_for_metric(name, start + number + 1)
    assert server.resident_bytes() - before < 48 << 20


def test_length_over_the_limit_is_refused_unread(server: LiveServer) -> None:
    """The answer comes before the body, without 100 Continue, and can be read while still sending."""
    connection = server.connect().send(upload_request(b"", content_length="20000000", expect="100-continue"))
    answer = connection.answer()
    assert (answer.status, answer.code) == (413, "body_too_large")
    connection.send(b"x" * 100_000).send(b"x" * 100_000)  # a reset connection would refuse the second
    assert connection.ended()
    sender = server.connect().send(upload_request(b"", content_length="20000000")).send(b"x" * 900_000)
    assert sender.answer().code == "body_too_large"


def test_clients_that_send_all_before_they_read_are_told_why(server: LiveServer) -> None:
    """The answer that was there before the first byte can be read after the fourth MiB."""
    connection = server.connect().send(upload_request(b"", content_length="20000000"))
    select.select([connection.socket], [], [], PATIENCE_SECONDS)
    for _ in range(4):
        connection.send(bytes(1 << 20))
    answer = connection.answer()
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_clients_that_send_on_after_their_refusal_are_cut(server: LiveServer) -> None:
    """Reading on has an end."""
    connection = server.connect().send(upload_request(b"", content_length="20000000"))
    assert connection.answer().code == "body_too_large"
    try:
        for _ in patiently():
            connection.send(b"x")
    except OSError:
        return
    raise AssertionError("still read from")


def test_what_follows_a_refused_body_has_its_own_time() -> None:
    """The second that an unread body has ends with the body; neither a slow upload behind it nor an idle connection is cut by it."""
    refused, upload = upload_request(GOOD_UPLOAD, "/api/v1/explanations?nope=1"), upload_request(GOOD_UPLOAD)
    with LiveServer(SLOW_SERVICE, keep_alive_seconds=60) as server:
        server.wait_until_ready()
        behind, idle = (server.connect().send(refused[:-20]) for _ in range(2))
        assert [connection.answer().code for connection in (behind, idle)] == ["invalid_parameter"] * 2
        idle.send(refused[-20:])
        behind.send(refused[-20:] + upload[:-20])
        pipelined = server.connect().send(head("GET", "/health/live") + upload[:-20])
        assert pipelined.answer().json == {"live": True}
        time.sleep(LINGER_SECONDS + 0.5)
        assert [connection.send(upload[-20:]).answer().status for connection in (behind, pipelined)] == [200] * 2
        assert idle.send(upload).answer().status == 200


def test_a_connection_is_idle_once_the_rest_of_a_refused_body_has_come() -> None:
    refused = upload_request(GOOD_UPLOAD, "/api/v1/explanations?nope=1")
    with LiveServer(SLOW_SERVICE, keep_alive_seconds=1) as server:
        connection = server.wait_until_ready().connect().send(refused[:-20])
        assert connection.answer().code == "invalid_parameter"
        assert connection.send(refused[-20:]).ended()


def test_refusals_do_not_add_up(server: LiveServer) -> None:
    """What is read on after each is counted for itself: a connection that is used again is not cut."""
    large = form(part(bytes(1 << 20)))
    connection = server.connect()
    for _ in range(2 * LINGER_BYTES >> 20):
        assert connection.send(upload_request(large, "/api/v1/explanations?nope=1")).answer().code == "invalid_parameter"
    assert connection.send(upload_request(GOOD_UPLOAD)).answer().status == 200


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


def test_chunked_body_over_the_limit() -> None:
    """Counted as it arrives."""
    with LiveServer(SLOW_SERVICE, body_timeout_seconds=60) as server:
        connection = server.wait_until_ready().connect().send(CHUNKED_UPLOAD + chunked(part(b"")))
        try:
            for _ in range(11):
                connection.send(chunked(b"x" * (1 << 20)))
        except OSError:
            pass  # refused before all was sent
        refused = connection.answer()
        assert (refused.status, refused.code) == (413, "body_too_large")


def test_chunked_bodies_that_no_route_reads(server: LiveServer) -> None:
    """The answer is as ever, and the body is let pass."""
    for target, status, code in (("/nope", 404, "not_found"), ("/info", 405, "method_not_allowed")):
        body = chunked(b"x" * 100_000, head("GET", "/docs")) + b"0\r\n\r\n"
        other = server.connect().send(head("POST", target, transfer_encoding="chunked") + body + head("GET", "/health/live"))
        answer = other.answer()
        assert (answer.status, answer.code) == (status, code)
        assert other.answer().json == {"live": True}
    small = server.connect().send(head("POST", "/nope", content_length="100000"))
    assert small.answer().code == "body_too_large"


def test_chunked_upload(server: LiveServer) -> None:
    assert server.send(CHUNKED_UPLOAD + chunked(GOOD_UPLOAD[:100], GOOD_UPLOAD[100:]) + b"0\r\n\r\n").status == 200


HIDDEN = b"0\r\n\r\n" + head("GET", "/info")
LENGTH = f"Content-Length: {len(HIDDEN)}\r\n"
AMBIGUOUS = {
    "chunked after length": f"{LENGTH}Transfer-Encoding: chunked\r\n",
    "chunked before length": f"Transfer-Encoding: chunked\r\n{LENGTH}",
    "chunked in capitals": f"{LENGTH}transfer-encoding: CHUNKED\r\n",
    "chunked after a tab": f"{LENGTH}Transfer-Encoding:\tchunked\r\n",
    "chunked after another control character": f"{LENGTH}Transfer-Encoding: \vchunked\r\n",
    "chunked before the colon's space": f"{LENGTH}Transfer-Encoding : chunked\r\n",
    "chunked on a folded line": f"{LENGTH}Transfer-Encoding:\r\n chunked\r\n",
    "chunked after a bare line end": f"{LENGTH}X: a\rTransfer-Encoding: chunked\r\n",
    "nearly chunked": f"{LENGTH}Transfer-Encoding: xchunked\r\n",
    "chunked and something else": "Transfer-Encoding: gzip, chunked\r\n",
    "chunked, then not": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "two lengths in one": f"Content-Length: 0, {len(HIDDEN)}\r\n",
    "length with a sign": f"Content-Length: +{len(HIDDEN)}\r\n",
    "length in hexadecimal": f"Content-Length: {len(HIDDEN):#x}\r\n",
    "endless length": f"Content-Length: {'9' * 40}\r\n",
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_bodies_of_doubtful_length(server: LiveServer, case: str) -> None:
    """Refused, and what follows is not taken for a second request, answered or not."""
    name = 'unturned_http_requests_total{method="GET",route="/info",status="200"}'
    before = server.metric(name)
    start = head("POST", "/api/v1/explanations", content_type=MULTIPART)[:-2]
    connection = server.connect().send(start + AMBIGUOUS[case].encode() + b"\r\n" + HIDDEN)
    answer = connection.answer()
    assert (answer.status, answer.code, answer.headers["connection"]) == (400, "malformed_request", "close")
    assert connection.ended()
    assert server.metric(name) == before


NOT_HTTP = {
    "two lengths": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "negative length": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -3\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: localhost\r\n\r\n",
    "bad verb": b"G\x00T / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"\x01" * 50 + b"\r\n",
    "bad chunk": CHUNKED_UPLOAD + b"zz\r\n",
    "size of a chunk without end": CHUNKED_UPLOAD + b"1" * 100_000,
}


@pytest.mark.parametrize("case", NOT_HTTP)
def test_not_http(server: LiveServer, case: str) -> None:
    connection = server.connect().send(NOT_HTTP[case])
    answer = connection.answer()
    assert (answer.status, answer.code) == (400, "malformed_request")
    assert answer.headers["connection"] == "close"
    line = server.wait_for_line(request_id=answer.headers["x-request-id"])
    assert (line["event"], line["status"], line["code"]) == ("request", 400, "malformed_request")
    connection.socket.shutdown(1)
    assert connection.ended()


def test_what_is_odd_about_a_request_takes_no_lines_beside_its_own(server: LiveServer) -> None:
    before = len(server.log())
    upgrade = server.get("/health/live", connection="upgrade", upgrade="websocket")
    assert upgrade.json == {"live": True}
    for answer in (upgrade, server.send(NOT_HTTP["no host"])):
        server.wait_for_line(request_id=answer.headers["x-request-id"])
    assert not [line for line in server.log()[before:] if line["level"] == "warning"]


LONG_HEADS = {
    "one header of 100 kB": (head("GET", "/info", x="a" * 100_000), 431, "headers_too_large"),
    "1,000 headers": (head("GET", "/info", **{f"x{number}": "a" for number in range(1000)}), 431, "headers_too_large"),
    "many headers": (head("GET", "/info", **{f"x{number}": "a" for number in range(200)}), 431, "headers_too_large"),
    "one header without end": (head("GET", "/info", x="a" * 100_000)[:-4], 431, "headers_too_large"),
    "address of 9 kB": (head("GET", "/info?" + "a" * 9000), 414, "uri_too_long"),
    "address of 100 kB": (head("GET", "/" + "a" * 100_000), 414, "uri_too_long"),
    "address without end": (b"GET /" + b"a" * 100_000, 414, "uri_too_long"),
}


@pytest.mark.parametrize("case", LONG_HEADS)
def test_long_heads(server: LiveServer, case: str) -> None:
    request, status, code = LONG_HEADS[case]
    answer = server.send(request)
    assert (answer.status, answer.code) == (status, code)


def test_same_request_again(server: LiveServer) -> None:
    """Identical answers."""
    answers = [server.post(GOOD_UPLOAD) for _ in range(20)]
    assert {answer.body for answer in answers} == {answers[0].body}
    assert len({answer.headers["x-request-id"] for answer in answers}) == 20


def test_pipelined_requests(server: LiveServer) -> None:
    """Answered in order."""
    targets = [f"/api/v1/explanations?faces={number}" for number in range(10)]
    connection = server.connect().send(b"".join(upload_request(GOOD_UPLOAD, target) for target in targets))
    assert [connection.answer().json["faces"] for _ in targets] == list(range(10))


def test_pipelined_requests_are_each_limited(server: LiveServer) -> None:
    """A good request before it opens no door."""
    requests = (
        (upload_request(GOOD_UPLOAD), 200, None),
        (head("GET", "/info?" + "a" * 9000), 414, "uri_too_long"),
        (upload_request(form(part(b"junk"))), 422, "not_an_image"),
        (head("GET", "/info", host="evil.example"), 400, "invalid_host"),
        (upload_request(GOOD_UPLOAD), 200, None),
        (upload_request(b"", content_length="20000000"), 413, "body_too_large"),
    )
    connection = server.connect().send(b"".join(request for request, _, _ in requests))
    for _, status, code in requests:
        answer = connection.answer()
        assert (answer.status, answer.code) == (status, code)
    assert connection.ended()
