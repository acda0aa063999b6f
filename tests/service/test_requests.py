"""Addresses, parameters, hosts, origins and headers, over a real socket."""

from __future__ import annotations

import gzip
import json
import mimetypes
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.errors import Problem
from app.http.assets import Assets, folder_files
from app.pages.templating import asset, static_files
from tests.live_server import GOOD_UPLOAD, ROOT, SLOW_SERVICE, LiveServer, head, png

PICTURE = png()


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer(SLOW_SERVICE) as running:
        yield running.wait_until_ready()


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("PUT", "/api/v1/explanations", "POST"),
        ("DELETE", "/info", "GET, HEAD"),
        ("TRACE", "/health/live", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("POST", "/static/icons/favicon.svg", "GET, HEAD"),
    ],
)
def test_methods(server: LiveServer, method: str, target: str, allowed: str) -> None:
    answer = server.send(head(method, target))
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


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
        *("/static/%252e%252e/app/settings.py", "/static/..%5capp%5csettings.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd"),
        *("/info%0a", "/health/live%0A", "/static/icons/favicon.svg%0a"),
        *("/static/vendor/swagger-ui/swagger-ui.css.map", "/redoc", "/docs/oauth2-redirect", "/.git/config", "/debug"),
    ],
)
def test_unknown_paths(server: LiveServer, target: str) -> None:
    answer = server.get(target)
    assert (answer.status, answer.code) == (404, "not_found")


def test_static_links_lead_nowhere(tmp_path: Path) -> None:
    """Neither to a file nor to a folder."""
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "inside.txt").write_text("public")
    (tmp_path / "outside.txt").write_text("private")
    (folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    (folder / "up").symlink_to(tmp_path)
    client = TestClient(Assets(folder_files(folder)))
    assert client.get("/inside.txt").text == "public"
    for path in ("/link.txt", "/up/outside.txt", "/up"):
        with pytest.raises(Problem, match="not_found"):
            client.get(path)


def test_types_of_static_files_depend_on_no_table_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser, told to believe them, shows no picture that is said to be none."""
    monkeypatch.setattr(mimetypes, "guess_type", lambda *_: (None, None))
    client = TestClient(Assets(static_files()), headers={"accept-encoding": "identity"})
    assert {Path(path).suffix: client.get(f"/{path}").headers["content-type"] for path in static_files()} == {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".jpg": "image/jpeg",
        ".webp": "image/webp",
        ".txt": "text/plain; charset=utf-8",
        **dict.fromkeys(("", ".md"), "application/octet-stream"),  # beside other people's scripts
    }


@pytest.mark.parametrize(
    "query", ["model=../x", "top=1e9", "faces=NaN", "faces=1&faces=2", "faces=", "faces=%00", "faces=1.5", "=1", "faces=CANARY"]
)
def test_parameters(server: LiveServer, query: str) -> None:
    answer = server.post(GOOD_UPLOAD, f"/api/v1/explanations?{query}")
    assert (answer.status, answer.code) == (422, "invalid_parameter")
    assert b"CANARY" not in answer.body


def test_no_path_promises_a_protocol_that_nothing_answers(server: LiveServer) -> None:
    """Clients of the Open Inference Protocol would go on to ask for inference."""
    for target in ("/v2", "/v2/health/ready", "/v2/models/baseline", "/v2/models/baseline/ready"):
        assert (server.get(target).status, server.get(target).code) == (404, "not_found")


def test_accept_is_ignored(server: LiveServer) -> None:
    assert server.post(b"", accept="text/html").code == "missing_field"
    assert server.get("/info", accept="image/gif").status == 200


def test_ranges_on_static_files(server: LiveServer) -> None:
    pieces = ",".join(["0-"] * 10_000)
    for ranges in (f"bytes={pieces}", "bytes=0-1", "bytes=999999999-", "bytes=x"):
        answer = server.get("/static/icons/favicon.svg", range=ranges)
        assert answer.status == 200
        assert answer.body == (ROOT / "static/icons/favicon.svg").read_bytes()


def test_static_files_may_be_kept(server: LiveServer) -> None:
    """By a fingerprinted address for a year; by a plain one as long as the service says that nothing has changed."""
    target = "/static/icons/favicon.svg"
    kept = server.get(asset("icons/favicon.svg"))
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert server.get("/static/0123456789ab/icons/favicon.svg").status == 404
    plain = server.get(target)
    assert plain.body == kept.body
    assert (plain.headers["cache-control"], plain.headers["content-type"]) == ("no-cache", "image/svg+xml")
    again = server.get(target, if_none_match=plain.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert server.get(target, if_none_match='"other"').body == plain.body
    connection = server.connect().send(head("HEAD", target, connection="close"))
    assert connection.socket.makefile("rb").read().endswith(b"\r\n\r\n")


def test_static_files_are_compressed_for_who_takes_that(server: LiveServer) -> None:
    target = asset("js/explorer.bundle.js")
    plain = server.get(target)
    for accepted in ("gzip", "br, gzip;q=0.8", "gzip, deflate"):
        smaller = server.get(target, accept_encoding=accepted)
        assert smaller.headers["content-encoding"] == "gzip"
        assert gzip.decompress(smaller.body) == plain.body
        assert len(smaller.body) < len(plain.body) / 3
        assert smaller.headers["etag"] != plain.headers["etag"]
        assert smaller.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    for accepted in ("", "br", "gzip;q=0", "gzip;q=0.0, identity"):
        assert server.get(target, accept_encoding=accepted).body == plain.body
    assert "content-encoding" not in server.get(asset("samples/thumbs/hopper.webp"), accept_encoding="gzip").headers


@pytest.mark.parametrize("target", ["/health/live", "/info", "/static/icons/favicon.svg"])
def test_head_is_get_without_the_body(server: LiveServer, target: str) -> None:
    whole = server.get(target)
    connection = server.connect().send(head("HEAD", target, connection="close"))
    answer = connection.socket.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")
    assert f"content-length: {len(whole.body)}".encode() in answer.lower()


def test_head_is_counted_by_its_route(server: LiveServer) -> None:
    name = 'unturned_http_requests_total{method="HEAD",route="/info",status="200"}'
    before = server.metric(name)
    connection = server.connect().send(head("HEAD", "/info", connection="close"))
    connection.socket.makefile("rb").read()
    server.wait_for_metric(name, before + 1)


def test_a_mistyped_address_is_a_page_for_a_browser_and_a_problem_for_a_program(server: LiveServer) -> None:
    page = server.get("/claim", accept="text/html,*/*;q=0.8")
    assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert b"Go to the explorer" in page.body
    for answer in (server.get("/claim"), server.get("/api/v1/claim", accept="text/html")):
        assert (answer.status, answer.code) == (404, "not_found")


def test_the_log_says_where_to_look(server: LiveServer) -> None:
    assert server.wait_for_line(event="listening")["url"] == f"http://127.0.0.1:{server.port}/"


def test_log_lines_cannot_be_forged(server: LiveServer) -> None:
    """One line a request, whatever is in its strings (the reader of the log would fail on a line that is not JSON)."""
    answer = server.get("/%0a%7b%22event%22:%22forged%22%7d%1b[31m?a=%0d%0ax", user_agent='x\x1b[31m{"event":"forged"}')
    line = server.wait_for_line(request_id=answer.headers["x-request-id"])
    assert line["route"] == "unmatched"
    assert not [line for line in server.log() if line.get("event") == "forged"]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "user@127.0.0.1", "127.0.0.1:99999999", "127.0.0.1:80/x", "[::1", "", "a b"]
)
def test_hosts(server: LiveServer, host: str) -> None:
    answer = server.get("/info", host=host)
    assert (answer.status, answer.code) == (400, "invalid_host")


@pytest.mark.parametrize("target", ["/health/live", "/health/ready"])
def test_probes_may_ask_by_any_host(server: LiveServer, target: str) -> None:
    assert server.get(target, host="10.0.0.7:8000").status == 200


@pytest.mark.parametrize("host", ["LOCALHOST", "127.0.0.1:8000", "[::1]:8000"])
def test_known_hosts(server: LiveServer, host: str) -> None:
    assert server.get("/info", host=host).status == 200


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
    answer = server.post(GOOD_UPLOAD, **headers)
    assert (answer.status, answer.code) == (403, "cross_site")
    assert "access-control-allow-origin" not in answer.headers


def test_forms_of_this_site(server: LiveServer) -> None:
    answer = server.post(GOOD_UPLOAD, origin="http://127.0.0.1", sec_fetch_site="same-origin")
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("target", ["/openapi.json", "/health/live", "/metrics", "/static/icons/favicon.svg", "/nope", "/info"])
def test_headers_everywhere(server: LiveServer, target: str) -> None:
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


def test_unforeseen_errors_tell_nothing(server: LiveServer) -> None:
    """500 without a trace in the answer; the log has the place, not the message."""
    answer = server.post(GOOD_UPLOAD, "/api/v1/explanations?sleep=-1")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret" not in answer.body and b"Traceback" not in answer.body
    line = server.wait_for_line(request_id=answer.json["request_id"], level="error")
    assert line["exception"] == "RuntimeError"
    assert "secret" not in json.dumps(server.log())
    server.lines.remove(line)


def test_request_ids(server: LiveServer) -> None:
    assert server.get("/info", x_request_id="abcd-1234").headers["x-request-id"] == "abcd-1234"
    for bad in ("short", "with space 123", "x" * 65, "<script>alert(1)"):
        assert re.fullmatch(r"[0-9a-f]{32}", server.get("/info", x_request_id=bad).headers["x-request-id"])


def test_forged_forwarding_is_ignored(server: LiveServer) -> None:
    """From a peer that is not trusted, the headers change nothing."""
    assert "strict-transport-security" not in server.get("/info", x_forwarded_proto="https", x_forwarded_for="192.0.2.1").headers
