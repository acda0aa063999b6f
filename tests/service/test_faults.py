"""Signals, blocked outputs, slow models and failing starts."""

from __future__ import annotations

import inspect
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount

from app.main import create_app
from app.settings import Settings
from tests.live_server import BOUNDARY, GOOD_UPLOAD, ROOT, SLOW_SERVICE, LiveServer, form, head, part, patiently, png, upload_request

SLEEPING = "/api/v1/explanations?sleep="
MODEL_READY = 'unturned_model_ready{model="baseline"}'


def test_the_event_loop_is_kept_waiting_by_neither_the_collector_nor_the_interpreter() -> None:
    """What was loaded is not looked through again, and threads that compute in Python take turns with the loop five times as often."""
    with LiveServer(SLOW_SERVICE) as server:
        server.wait_until_ready()
        for _ in patiently():
            if (counts := server.get("/api/v1/counts").json)["spared_objects"]:
                break
        assert counts["spared_objects"] > 10_000
        assert counts["switch_seconds"] == pytest.approx(0.001)


def test_not_ready_while_loading() -> None:
    """Live at once, uploads refused until the models are there."""
    with LiveServer(SLOW_SERVICE, "4") as server:
        assert server.get("/health/live").json == {"live": True}
        refused = server.post(GOOD_UPLOAD)
        assert (refused.status, refused.code) == (503, "not_ready")
        assert refused.headers["retry-after"]
        ready = server.get("/health/ready")
        assert (ready.status, ready.json["reason"]) == (503, "loading")
        server.wait_until_ready()
        assert server.post(GOOD_UPLOAD).status == 200


def test_termination_when_idle() -> None:
    """Idle, silent and half-sent connections do not hold the process; new ones are refused."""
    with LiveServer(SLOW_SERVICE) as server:
        server.wait_until_ready()
        idle = [server.connect(), server.connect().send(b"GET /"), server.connect().send(head("GET", "/health/live"))]
        server.signal(signal.SIGTERM)
        assert server.exit_status() == 0
        assert server.stderr() == ""
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        for connection in idle:
            connection.close()


def test_termination_while_loading() -> None:
    """What is still being read is of no use to anybody."""
    with LiveServer(SLOW_SERVICE, "3600") as server:
        assert server.get("/health/live").json == {"live": True}
        server.signal(signal.SIGTERM)
        assert server.exit_status() == 0


def test_termination_while_computing_and_sending() -> None:
    """What is computed or queued is answered, what is still arriving is refused."""
    with LiveServer(SLOW_SERVICE) as server:
        server.wait_until_ready()
        computing = [server.connect().send(upload_request(GOOD_UPLOAD, f"{SLEEPING}3")) for _ in range(4)]
        sending = server.connect().send(upload_request(GOOD_UPLOAD[:40], content_length="5000"))
        server.wait_for_metric("unturned_queue_depth", 3)
        server.signal(signal.SIGTERM)
        assert sending.answer().code == "shutting_down"
        assert [connection.answer().status for connection in computing] == [200] * 4
        assert server.exit_status() == 0


def test_termination_does_not_wait_for_ever() -> None:
    """Models and figures that do not end are left behind; who waits for them is told so, and the log has one line about them all."""
    with LiveServer(SLOW_SERVICE, shutdown_timeout_seconds=1, work_timeout_seconds=3600) as server:
        server.wait_until_ready()
        stuck = [server.connect().send(upload_request(GOOD_UPLOAD, f"{SLEEPING}3600")) for _ in range(3)]
        stuck += [server.connect().send(upload_request(GOOD_UPLOAD, "/api/v1/figures?sleep=3600")) for _ in range(3)]
        server.wait_for_computed(3)
        server.wait_for_metric("unturned_queue_depth", 4)
        server.signal(signal.SIGTERM)
        answers = [connection.answer() for connection in stuck]
        assert [(answer.status, answer.code) for answer in answers] == [(503, "shutting_down")] * 6
        assert server.exit_status() == 0
        assert server.wait_for_line(event="shutting down")["longest_wait_seconds"] == 1
        assert len([line for line in server.lines if line["level"] == "error"]) == 1
        assert not [line for line in server.lines if "exception" in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal(number: signal.Signals) -> None:
    """The end at once, without a traceback."""
    with LiveServer(SLOW_SERVICE) as server:
        server.wait_until_ready()
        stuck = server.connect().send(upload_request(GOOD_UPLOAD, f"{SLEEPING}3600"))
        server.wait_for_computed(1)
        server.signal(number)
        for _ in patiently():
            try:
                server.connect().close()
            except ConnectionRefusedError:
                break
        server.signal(number)
        assert server.exit_status() == 128 + number
        assert server.stderr() == ""
        stuck.close()


def test_it_ends_with_the_terminal_it_was_started_in() -> None:
    """Whose end is told by the signal that asks for a reload as long as the terminal is there."""
    window, terminal = os.openpty()
    with LiveServer(SLOW_SERVICE, stdin=terminal) as server:
        os.close(terminal)
        server.wait_until_ready()
        server.signal(signal.SIGHUP)
        server.wait_for_line(event="models reloaded")
        os.close(window)
        server.signal(signal.SIGHUP)
        assert server.exit_status() == 0


def test_killed_and_started_again() -> None:
    """Nothing has to be repaired."""
    with LiveServer(SLOW_SERVICE) as server:
        server.wait_until_ready()
        server.signal(signal.SIGKILL)
        server.exit_status()
        with LiveServer(SLOW_SERVICE, port=server.port) as again:
            assert again.wait_until_ready().post(GOOD_UPLOAD).status == 200


def test_models_that_answer_too_late() -> None:
    """504; after five in a row not ready; ready again when the models answer again, or may have begun to."""
    with LiveServer(SLOW_SERVICE, work_timeout_seconds=3) as server:
        server.wait_until_ready()
        late = [server.connect().send(upload_request(GOOD_UPLOAD, f"{SLEEPING}15")) for _ in range(5)]
        for connection in late:
            answer = connection.answer()
            assert (answer.status, answer.code) == (504, "inference_timeout")
        ready = server.get("/health/ready")
        assert (ready.status, ready.json["reason"]) == (503, "models do not answer in time")
        refused = server.post(GOOD_UPLOAD)
        assert refused.code == "not_ready"
        assert "do not answer in time" in refused.json["detail"]
        assert server.metric(MODEL_READY) == 0
        server.wait_until_ready()
        assert server.metric(MODEL_READY) == 1
        server.assert_serves()


def test_nothing_is_written_to_disk() -> None:
    """The serving process opens no file for writing, whatever is uploaded; it needs no folder for temporary files."""
    with LiveServer(SLOW_SERVICE) as server:
        server.wait_until_ready()
        written = server.get("/api/v1/counts").json["written_files"]
        large = form(part(png() + b"x" * (3 << 20)))
        assert server.post(GOOD_UPLOAD).status == 200
        assert server.post(large).status in {200, 422}
        assert server.post(large[:-4]).code == "malformed_multipart"
        assert server.get("/static/icons/favicon.svg").status == 200
        assert server.get("/openapi.json").status == 200
        assert server.get("/api/v1/counts").json["written_files"] == written


def outputs() -> dict[str, Any]:
    unread, blocked = os.pipe()
    return {"full": Path("/dev/full").open("wb"), "blocked": os.fdopen(blocked, "wb"), "_": os.fdopen(unread, "rb")}


@pytest.mark.parametrize("kind", ["full", "blocked"])
def test_log_output_that_takes_nothing(kind: str) -> None:
    """Requests are answered, lines are dropped and counted."""
    streams = outputs()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with LiveServer(SLOW_SERVICE, stdout=streams[kind], port=port) as server:
        server.wait_until_ready()
        connection = server.connect()
        for _ in range(40):
            connection.send(head("GET", "/health/live") * 50)
            assert {connection.answer().status for _ in range(50)} == {200}
        assert server.post(GOOD_UPLOAD).status == 200
        assert server.metric("unturned_log_dropped_total") > 0
        server.signal(signal.SIGTERM)
        assert server.exit_status() == 0
    for stream in streams.values():
        stream.close()


def test_log_output_that_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reader, writer = os.pipe()
    os.close(reader)
    with LiveServer(SLOW_SERVICE, stdout=writer, port=port) as server:
        os.close(writer)
        assert server.wait_until_ready().post(GOOD_UPLOAD).status == 200


def run(*command: str, **settings: str) -> tuple[int, str]:
    """Exit status and standard error of a service that should not start."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UNTURNED_")}
    environment |= {f"UNTURNED_{name.upper()}": value for name, value in settings.items()} | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", *command], check=False, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    return ended.returncode, ended.stderr


def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, message = run(SLOW_SERVICE, port=port)
    assert status == 3
    remedy = "choose another with --host or --port (UNTURNED_HOST, UNTURNED_PORT)"
    assert message == f"unturned: cannot listen on 127.0.0.1 port {port}: Address already in use: {remedy}\n"


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_host_that_is_not_ours(host: str) -> None:
    status, message = run(SLOW_SERVICE, host=host)
    assert status == 3
    assert message.count("\n") == 1
    assert message.count(host) == 1 and "choose another with --host" in message


@pytest.mark.parametrize(("name", "value"), [("body_limt", "1"), ("port", "http"), ("api_key", "short")])
def test_bad_settings(name: str, value: str) -> None:
    status, message = run(SLOW_SERVICE, **{name: value})
    assert status == 2
    assert message.count("\n") == 1
    assert f"UNTURNED_{name.upper()}: " in message


def test_no_route_blocks_the_event_loop_or_its_threads() -> None:
    """Every route is a coroutine."""
    application = create_app(Settings())
    endpoints = [route.endpoint for route in _routes(application.routes)]
    assert len(endpoints) > 15
    assert [endpoint for endpoint in endpoints if not inspect.iscoroutinefunction(endpoint)] == []


def test_the_frameworks_threads_may_all_be_taken() -> None:
    """Uploads, pages and probes wait for none of the forty."""
    with LiveServer(SLOW_SERVICE) as server:
        server.wait_until_ready()
        taken = [server.connect().send(head("GET", "/api/v1/blocked")) for _ in range(40)]
        for _ in patiently():
            if server.get("/api/v1/counts").json["blocked"] == 40:
                break
        assert server.post(GOOD_UPLOAD).status == 200
        for target in ("/openapi.json", "/health/ready", "/info", "/metrics", "/static/icons/favicon.svg"):
            assert server.get(target).status == 200
        for connection in taken:
            connection.close()


def _routes(routes: Any) -> Iterator[Any]:
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _routes(route.original_router.routes)
        elif not isinstance(route, Mount):
            yield route


def test_deadlines_do_not_read_the_wall_clock() -> None:
    """Nothing in the service but the log's time stamps asks what time it is."""
    for path in (ROOT / "app").rglob("*.py"):
        source = path.read_text()
        assert "time.time(" not in source, path
        assert "datetime.now" not in source, path


def test_no_process_is_a_fork() -> None:
    """A fork of a process with threads may find their locks held for ever; children are started as new programs."""
    forks = r"""\bfork\(|multiprocessing\.(?!get_context\("spawn"\)|connection\b)|ProcessPoolExecutor|preexec_fn"""
    for path in (ROOT / "app").rglob("*.py"):
        assert not re.search(forks, path.read_text()), path


def test_one_bad_client_of_many(tmp_path: Path) -> None:
    """Good uploads are all answered while other clients send rubbish, leave, or stall."""
    with LiveServer(SLOW_SERVICE, head_timeout_seconds=5, body_timeout_seconds=5) as server:
        server.wait_until_ready()
        rubbish = [
            b"\x16\x03\x01\n\n",
            upload_request(GOOD_UPLOAD[:60], content_length="9000"),
            upload_request(form(part(b"junk"))),
            GOOD_UPLOAD,
            b"",
        ]
        stop = threading.Event()

        def disturb(number: int) -> None:
            while not stop.is_set():
                connection = server.connect()
                try:
                    connection.send(rubbish[number])
                    stop.wait(0.05)
                except OSError:
                    pass
                connection.close()

        threads = [threading.Thread(target=disturb, args=(number,)) for number in range(len(rubbish))]
        for thread in threads:
            thread.start()
        try:
            answers = [server.post(GOOD_UPLOAD, content_type=f"multipart/form-data; boundary={BOUNDARY}") for _ in range(60)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert [answer.status for answer in answers] == [200] * 60
