"""Rows 1-31 and 65-75 of the catalogue of bad input, over a real socket, against the real service with a stand-in for the models."""

from __future__ import annotations

import base64
import json
import re
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


def field(name: str) -> str:
    return f'form-data; name="{name}"'


UPLOADS = {
    "1 empty body": (b"", {}, 422, "missing_field"),
    "2 no content type": (GOOD, {"content_type": ""}, 415, "unsupported_media_type"),
    "2 JSON": (b"{}", {"content_type": "application/json"}, 415, "unsupported_media_type"),
    "3 no boundary": (GOOD, {"content_type": "multipart/form-data"}, 400, "malformed_multipart"),
    "3 long boundary": (GOOD, {"content_type": f"multipart/form-data; boundary={'b' * 300}"}, 400, "malformed_multipart"),
    "4 wrong field": (form(part(PICTURE, 'form-data; name="CANARY"; filename="a.png"')), {}, 422, "missing_field"),
    "5 text": (form(part(b"CANARY", field("image"))), {}, 422, "not_a_file"),
    "5 filename*": (form(part(PICTURE, "form-data; name=\"image\"; filename*=UTF-8''CANARY.png")), {}, 422, "not_a_file"),
    "6 no bytes": (form(part(b"")), {}, 422, "empty_upload"),
    "7 twice": (form(part(PICTURE), part(PICTURE)), {}, 422, "duplicate_field"),
    "8 extra field": (form(part(PICTURE), part(b"CANARY", field("CANARY"))), {}, 422, "unexpected_field"),
    "8 second file": (form(part(PICTURE), part(PICTURE, 'form-data; name="b"; filename="CANARY"')), {}, 422, "unexpected_field"),
    "9 1,100 parts": (form(*[part(b"", field(f"f{number}")) for number in range(1100)]), {}, 400, "too_many_parts"),
    "9 100,000 empty parts": (form(*[part(b"", field("f"))] * 100_000), {}, 400, "too_many_parts"),
    "10 part headers": (form(part(PICTURE, field("image"), *[b"X-A: b"] * 8)), {}, 400, "malformed_multipart"),
    "10 long header": (form(part(PICTURE, field("image"), b"X-A: " + b"b" * 4300)), {}, 400, "malformed_multipart"),
    "10 no name": (form(part(PICTURE, "form-data")), {}, 400, "malformed_multipart"),
    "11 cut": (part(PICTURE), {}, 400, "malformed_multipart"),
}


@pytest.mark.parametrize("case", UPLOADS)
def test_multipart(server: LiveServer, case: str) -> None:
    """Rows 1 to 11: the exact code, and nothing of what was sent in the answer."""
    body, headers, status, code = UPLOADS[case]
    answer = server.post(body, **headers)
    assert (answer.status, answer.code) == (status, code)
    assert b"CANARY" not in answer.body
    if code in {"missing_field", "not_a_file", "empty_upload"}:
        assert answer.json["pointer"] == "/image"


def test_good_upload(server: LiveServer) -> None:
    answer = server.post(GOOD)
    assert answer.status == 200
    assert answer.json["bytes"] == len(PICTURE)


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
    ],
)
def test_file_names_do_not_matter(server: LiveServer, name: str) -> None:
    """Row 65."""
    answer = server.post(form(part(PICTURE, f'form-data; name="image"; filename="{name}"')))
    assert answer.status == 200
    assert name.encode() not in answer.body


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
    connection.send(b"x" * 500_000)
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


@pytest.mark.parametrize(("method", "target"), [("PUT", "/api/v1/explanations"), ("DELETE", "/info"), ("TRACE", "/health/live")])
def test_methods(server: LiveServer, method: str, target: str) -> None:
    """Row 28."""
    answer = server.send(head(method, target))
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] in {"GET", "POST"}


@pytest.mark.parametrize(
    "target",
    [
        *(
            "/nope",
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/metrics/",
            "/static",
            "/static/",
            "/static/css",
            "/static/%2e%2e/app/settings.py",
        ),
        *("/static/../app/settings.py", "/static/..%2fapp%2fsettings.py", "/static/%00", "/static/a%0d%0ab", "/api/v1/explanations/.."),
    ],
)
def test_unknown_paths(server: LiveServer, target: str) -> None:
    """Rows 29 and 67."""
    answer = server.get(target)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize(
    "query", ["model=../x", "top=1e9", "faces=NaN", "faces=1&faces=2", "faces=", "faces=%00", "faces=1.5", "=1", "faces=CANARY"]
)
def test_parameters(server: LiveServer, query: str) -> None:
    """Row 30."""
    answer = server.post(GOOD, f"/api/v1/explanations?{query}")
    assert (answer.status, answer.code) == (422, "invalid_parameter")
    assert b"CANARY" not in answer.body


def test_unknown_model(server: LiveServer) -> None:
    """Row 30."""
    for target in ("/v2/models/nope", "/v2/models/nope/ready"):
        assert (server.get(target).status, server.get(target).code) == (404, "model_not_found")
    assert server.get("/v2/models/baseline/ready").json == {"name": "baseline", "ready": True}


def test_accept_is_ignored(server: LiveServer) -> None:
    """Row 31."""
    assert server.post(b"", accept="text/html").code == "missing_field"
    assert server.get("/info", accept="image/gif").status == 200


def test_ranges_on_static_files(server: LiveServer) -> None:
    """Row 68."""
    pieces = ",".join(f"{start}-{start}" for start in range(3000))
    for ranges in (f"bytes={pieces}", "bytes=0-1", "bytes=999999999-", "bytes=x"):
        answer = server.get("/static/icons/favicon.svg", range=ranges)
        assert answer.status == 200
        assert answer.body == (ROOT / "static/icons/favicon.svg").read_bytes()


def test_log_lines_cannot_be_forged(server: LiveServer) -> None:
    """Row 69: one line a request, whatever is in its strings (the reader of the log would fail on a line that is not JSON)."""
    answer = server.get("/%0a%7b%22event%22:%22forged%22%7d%1b[31m?a=%0d%0ax", user_agent='x\x1b[31m{"event":"forged"}')
    line = server.wait_for_line(request_id=answer.headers["x-request-id"])
    assert line["route"] == "unmatched"
    assert not [line for line in server.lines if line.get("event") == "forged"]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "user@127.0.0.1", "127.0.0.1:99999999", "127.0.0.1:80/x", "[::1", "", "a b"]
)
def test_hosts(server: LiveServer, host: str) -> None:
    """Row 70."""
    answer = server.get("/info", host=host)
    assert (answer.status, answer.code) == (400, "invalid_host")


@pytest.mark.parametrize("host", ["LOCALHOST", "127.0.0.1:8000", "[::1]:8000"])
def test_known_hosts(server: LiveServer, host: str) -> None:
    assert server.get("/health/live", host=host).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        *(
            {"origin": "null"},
            {"origin": "https://evil.example"},
            {"origin": "http://127.0.0.1:1"},
            {"origin": "http://[", "sec_fetch_site": "none"},
        ),
        *(
            {"sec_fetch_site": "cross-site"},
            {"sec_fetch_site": "same-site"},
            {"sec_fetch_site": "cross-site", "origin": "http://127.0.0.1"},
        ),
    ],
)
def test_forms_of_other_sites(server: LiveServer, headers: dict[str, str]) -> None:
    """Row 71."""
    answer = server.post(GOOD, **headers)
    assert (answer.status, answer.code) == (403, "cross_site")
    assert "access-control-allow-origin" not in answer.headers


def test_forms_of_this_site(server: LiveServer) -> None:
    answer = server.post(GOOD, origin="http://127.0.0.1", sec_fetch_site="same-origin")
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("target", ["/docs", "/openapi.json", "/health/live", "/metrics", "/static/icons/favicon.svg", "/nope", "/info"])
def test_headers_everywhere(server: LiveServer, target: str) -> None:
    """Row 72."""
    headers = server.get(target).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == ("no-cache" if target.startswith("/static") else "no-store")
    assert "server" not in headers


def test_documentation_page_is_served_from_here(server: LiveServer) -> None:
    """Row 75: nothing from elsewhere, no inline script."""
    answer = server.get("/docs")
    page = answer.body.decode()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(addresses) == 5
    for address in addresses:
        assert server.get(address).status == 200
    assert not re.search(r"<script(?![^>]*src=)", page)
    assert "script-src 'self';" in answer.headers["content-security-policy"]


def test_unforeseen_errors_tell_nothing(server: LiveServer) -> None:
    """Row 75: 500 without a trace in the answer; the log has the place, not the message."""
    answer = server.post(GOOD, "/api/v1/explanations?sleep=-1")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret" not in answer.body and b"Traceback" not in answer.body
    line = server.wait_for_line(request_id=answer.json["request_id"], level="error")
    assert line["exception"] == "RuntimeError"
    assert "secret" not in json.dumps(server.lines)
    server.lines.remove(line)


def test_request_ids(server: LiveServer) -> None:
    assert server.get("/info", x_request_id="abcd-1234").headers["x-request-id"] == "abcd-1234"
    for bad in ("short", "with space 123", "x" * 65, "<script>alert(1)"):
        assert re.fullmatch(r"[0-9a-f]{32}", server.get("/info", x_request_id=bad).headers["x-request-id"])


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


KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def small_server() -> Iterator[LiveServer]:
    """Two slots and two places in the queue; a key; metrics; the peer is a trusted proxy; each client may send 25 uploads."""
    limits = {"queue_length": 2, "rate_limit_per_second": 0.001, "rate_limit_burst": 25, "trusted_proxies": "127.0.0.0/8"}
    running = LiveServer(SLOW_SERVICE, key=KEY, **limits)
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


def test_overload(small_server: LiveServer) -> None:
    """Row 24, in short: four are admitted and answered, all others refused at once, before their bodies are sent."""
    target, key = "/api/v1/explanations?sleep=2", {"authorization": f"Bearer {KEY}"}
    admitted = [small_server.connect().send(upload_request(GOOD, target, **key)) for _ in range(4)]
    small_server.wait_for_metric("unturned_queue_depth", 2)
    refused = [small_server.connect().send(upload_request(b"", target, content_length="5000", **key)) for _ in range(8)]
    answers = [connection.answer() for connection in refused]
    assert [(answer.status, answer.code) for answer in answers] == [(503, "overloaded")] * 8
    assert all(answer.headers["retry-after"] == "1" for answer in answers)
    assert small_server.get("/health/live").status == 200
    assert [connection.answer().status for connection in admitted] == [200] * 4


def test_stalled_uploads_lose_their_places(small_server: LiveServer) -> None:
    """As many stalled uploads as there are places do not keep others out."""
    client = {"x_forwarded_for": "192.0.2.7", "authorization": f"Bearer {KEY}"}
    stalled = [small_server.connect().send(upload_request(GOOD[:30], content_length="5000", **client)) for _ in range(4)]
    for attempt, _ in enumerate(patiently()):
        if small_server.post(GOOD, x_forwarded_for=f"2001:db8:{attempt:x}::1").status == 200:
            break
    else:
        raise AssertionError("stalled uploads keep all places")
    assert stalled[0].answer().code == "upload_timeout" or stalled[1].answer().code == "upload_timeout"
    for connection in stalled:
        connection.close()


def test_one_greedy_client(small_server: LiveServer) -> None:
    """Rows 26, 73 and 74: one client is limited, others are not; behind a trusted proxy each is known by its own address."""
    statuses = [small_server.post(b"", x_forwarded_for="192.0.2.1").status for _ in range(26)]
    assert statuses == [422] * 25 + [429]
    limited = small_server.post(GOOD, x_forwarded_for="192.0.2.1")
    assert limited.code == "rate_limited"
    assert int(limited.headers["retry-after"]) > 100
    assert small_server.post(GOOD, x_forwarded_for="192.0.2.2").status == 200


def test_forged_forwarding_is_ignored(server: LiveServer) -> None:
    """Row 73: from a peer that is not trusted, the headers change nothing."""
    assert "strict-transport-security" not in server.get("/info", x_forwarded_proto="https", x_forwarded_for="192.0.2.1").headers


def test_transport_security_behind_a_proxy(small_server: LiveServer) -> None:
    assert small_server.get("/info", x_forwarded_proto="https").headers["strict-transport-security"].startswith("max-age=31536000")


BASIC = "Basic " + base64.b64encode(f"anybody:{KEY}".encode()).decode()


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", KEY, "Basic !!", "Basic " + base64.b64encode(b"a:b").decode(), f"Digest {KEY}"]
)
def test_without_the_key(small_server: LiveServer, given: str) -> None:
    for target in ("/info", "/metrics", "/v2/models/baseline", "/docs", "/static/icons/favicon.svg"):
        answer = small_server.get(target, authorization=given)
        assert (answer.status, answer.code) == (401, "unauthorized")
        assert "Bearer" in answer.headers["www-authenticate"]
    assert small_server.get("/health/ready", authorization=given).status == 200


@pytest.mark.parametrize("given", [f"Bearer {KEY}", BASIC])
def test_with_the_key(small_server: LiveServer, given: str) -> None:
    assert small_server.get("/info", authorization=given).status == 200
