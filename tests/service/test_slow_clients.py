"""Clients that are slow, silent, gone, or too many, over a real socket."""

from __future__ import annotations

import resource
import select
import socket
import time
from collections.abc import Iterator

import pytest

from tests.live_server import GOOD_UPLOAD, SLOW_SERVICE, LiveServer, head, patiently, upload_request


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


@pytest.mark.parametrize("sent", [b"", b"GET /info HT", b"GET /info HTTP/1.1\r\nHost: 127.0.0.1\r\nX"])
def test_slow_heads_are_cut(server: LiveServer, sent: bytes) -> None:
    """Also the second one of a connection."""
    assert server.connect().send(sent).ended()
    if sent:
        connection = server.connect().send(head("GET", "/health/live"))
        assert connection.answer().status == 200
        assert connection.send(sent).ended()


def test_a_trickled_head_is_cut(server: LiveServer) -> None:
    """The deadline is absolute, a byte now and then does not move it."""
    connection = server.connect()
    try:
        for _ in patiently():
            connection.send(b"G")
    except OSError:
        return
    raise AssertionError("still open")


def test_slow_bodies_are_refused(server: LiveServer) -> None:
    connection = server.connect().send(upload_request(GOOD_UPLOAD[:50], content_length=str(len(GOOD_UPLOAD))))
    answer = connection.answer()
    assert (answer.status, answer.code, answer.headers["connection"]) == (408, "upload_timeout", "close")
    assert connection.ended()


def test_a_trickled_body_is_refused(server: LiveServer) -> None:
    """A byte now and then does not move this deadline either."""
    connection = server.connect().send(upload_request(b"", content_length=str(len(GOOD_UPLOAD))))
    for position, _ in enumerate(patiently()):
        if select.select([connection.socket], [], [], 0)[0]:
            break
        connection.send(GOOD_UPLOAD[position : position + 1])
    answer = connection.answer()
    assert (answer.status, answer.code, answer.headers["connection"]) == (408, "upload_timeout", "close")


def test_answers_nobody_reads(server: LiveServer) -> None:
    """The connection is dropped and counted."""
    name = 'unturned_client_disconnects_total{phase="send"}'
    before = server.metric(name)
    connection = server.connect().send(upload_request(GOOD_UPLOAD, "/api/v1/explanations?padding_bytes=30000000"))
    server.wait_for_metric(name, before + 1)
    connection.close()


def test_an_answer_read_slowly_but_steadily_arrives_whole() -> None:
    """Reading takes several times the deadline, at many times the slowest rate that is waited for."""
    with LiveServer(SLOW_SERVICE, write_timeout_seconds=1) as server:
        server.wait_until_ready()
        connection = server.connect()
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.send(upload_request(GOOD_UPLOAD, "/api/v1/explanations?padding_bytes=20000000", connection="close"))
        received = 0
        while part := connection.socket.recv(1 << 18):
            received += len(part)
            time.sleep(0.04)
        assert received > 20_000_000


def test_unread_answers_do_not_pile_up(server: LiveServer) -> None:
    """A client that asks for 200 MB on one connection and reads nothing costs no more than an answer or two."""
    name = 'unturned_client_disconnects_total{phase="send"}'
    before, resident = server.metric(name), server.resident_bytes()
    connection = server.connect().send(upload_request(GOOD_UPLOAD, "/api/v1/explanations?padding_bytes=1000000") * 200)
    most = 0
    for _ in patiently():
        most = max(most, server.resident_bytes())
        if server.metric(name) > before:
            break
    connection.close()
    assert server.metric(name) == before + 1
    assert most - resident < 50_000_000


def test_more_idle_connections_than_there_is_room_for(server: LiveServer) -> None:
    """They disturb nobody."""
    idle = [server.connect() for _ in range(200)]
    assert server.post(GOOD_UPLOAD).status == 200
    assert server.descriptors() < 120
    for connection in idle:
        connection.close()


def test_an_answer_that_is_still_being_sent_is_not_idle() -> None:
    """Nor is its connection closed to make room."""
    name = 'unturned_http_requests_total{method="POST",route="/api/v1/explanations",status="200"}'
    with LiveServer(SLOW_SERVICE, max_connections=8, write_timeout_seconds=60, keep_alive_seconds=60) as server:
        server.wait_until_ready()
        reading = server.connect().send(upload_request(GOOD_UPLOAD, "/api/v1/explanations?padding_bytes=30000000"))
        server.wait_for_metric(name, 1)
        idle = []
        for _ in range(8):
            idle.append(server.connect().send(head("GET", "/health/live")))
            assert idle[-1].answer().status == 200
        assert idle[0].ended()
        assert len(reading.answer().json["padding"]) == 30000000
        for connection in [reading, *idle]:
            connection.close()


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Room for a thousand sockets of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_a_thousand_idle_connections() -> None:
    """As installed, the service keeps a fifth of the usual 1,024 descriptors free, answers, and lets the oldest go."""
    with LiveServer(SLOW_SERVICE, head_timeout_seconds=60) as server:
        server.wait_until_ready()
        idle = [server.connect() for _ in range(1000)]
        assert server.post(GOOD_UPLOAD).status == 200
        assert server.descriptors() < 0.8 * 1024
        assert idle[0].ended()
        assert idle[-1].send(head("GET", "/health/live")).answer().status == 200
        for connection in idle:
            connection.close()


def test_two_hundred_uploads_at_once() -> None:
    """The eighteen that have places are answered, all others are too, or told to come again; nobody's connection is reset."""
    with LiveServer(SLOW_SERVICE) as server:
        server.wait_until_ready()
        first = [server.connect().send(upload_request(GOOD_UPLOAD, "/api/v1/explanations?sleep=3")) for _ in range(2)]
        server.wait_for_computed(2)
        first += [server.connect().send(upload_request(GOOD_UPLOAD)) for _ in range(16)]
        server.wait_for_metric("unturned_queue_depth", 16)
        others = [server.connect().send(upload_request(GOOD_UPLOAD)) for _ in range(182)]
        assert server.get("/health/live").status == 200
        answers = [connection.answer() for connection in others]
        assert {(answer.status, answer.code) for answer in answers} <= {(200, None), (503, "overloaded")}
        refused = [answer.headers for answer in answers if answer.status == 503]
        assert refused
        assert {(headers["retry-after"], headers["connection"]) for headers in refused} == {("1", "close")}
        assert [connection.answer().status for connection in first] == [200] * 18
        assert not [line for line in server.log() if line["level"] == "error"]


def test_client_that_leaves_while_computing(server: LiveServer) -> None:
    """What waits for a slot is dropped, what runs ends, both are in the log as 499."""
    name = 'unturned_client_disconnects_total{phase="compute"}'
    before, computed = server.metric(name), server.get("/api/v1/counts").json["computed"]
    leaving = [server.connect().send(upload_request(GOOD_UPLOAD, "/api/v1/explanations?sleep=5")) for _ in range(6)]
    server.wait_for_computed(computed + 2)
    for connection in leaving:
        connection.close()
    server.wait_for_metric(name, before + 6)
    assert server.post(GOOD_UPLOAD).status == 200
    assert server.get("/api/v1/counts").json["computed"] == computed + 3
    assert sum(line.get("status") == 499 and line.get("route") == "/api/v1/explanations" for line in server.log()) >= 6


def test_one_slow_client_of_each_kind_disturbs_nobody(server: LiveServer) -> None:
    """Uploads are answered while others stay silent, stop midway or do not read."""
    slow = [
        server.connect(),
        server.connect().send(b"POST /api"),
        server.connect().send(upload_request(GOOD_UPLOAD[:20], content_length="5000")),
        server.connect().send(upload_request(GOOD_UPLOAD, "/api/v1/explanations?padding_bytes=20000000")),
    ]
    start = time.monotonic()
    while time.monotonic() - start < 3:
        assert server.post(GOOD_UPLOAD).status == 200
    for connection in slow:
        connection.close()
