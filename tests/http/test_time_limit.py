"""Work on a request ends in time whichever stage stands still, and an answer that comes too late is not given."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, Response

from app.errors import ErrorCode, Problem
from app.explaining.compute import ComputePool
from app.explaining.service import Drawer
from app.http.admission import STAGES
from app.http.error_handlers import install_error_handlers
from app.http.limits import Body
from app.http.time_limit import TimeLimit
from tests.live_server import GOOD_UPLOAD, SLOW_SERVICE, LiveServer, stand_still, upload_request

if TYPE_CHECKING:
    from starlette.types import ASGIApp

Work = Callable[[], Awaitable[object]]


def answering_after(work: Work) -> ASGIApp:
    """An application that answers when ``work`` is done."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await work()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


def serve(app: ASGIApp, seconds: float, sent: list[Any], /, **scope: Any) -> None:
    """Serve one request whose body is there at once, and has been read before ``app`` begins; what is sent is added to ``sent``."""

    async def receive() -> Any:
        return {"type": "http.request", "body": b"picture", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def reading(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await app(scope, receive, send)

    async def request() -> None:
        body = Body(receive, 1 << 20, 60.0)
        await TimeLimit(reading, body, seconds)({"type": "http", **scope}, body.read, send)

    asyncio.run(request())


def assert_too_late(app: ASGIApp, /, **scope: Any) -> None:
    sent: list[Any] = []
    with pytest.raises(Problem) as caught:
        serve(app, 0.2, sent, **scope)
    assert caught.value.code is ErrorCode.INFERENCE_TIMEOUT
    assert sent == []


@pytest.mark.parametrize("stage", ["wait for a slot", "models", "wait for the drawer", "drawing"])
def test_a_stage_that_stands_still_ends_with_the_limit(stage: str) -> None:
    """Both pools have far longer limits of their own, or none."""
    stands_still = threading.Event()
    pool, drawer = ComputePool(1, 3600.0), Drawer()
    if stage == "wait for a slot":
        pool.submit(stands_still.wait)
    if stage == "wait for the drawer":
        drawer.submit(stands_still.wait)
    try:
        if stage in {"wait for a slot", "models"}:
            assert_too_late(answering_after(lambda: pool.run(stands_still.wait)))
        else:
            assert_too_late(answering_after(lambda: drawer.draw(lambda: bytes(stands_still.wait()))))
    finally:
        stands_still.set()


def test_an_answer_that_a_starved_event_loop_gives_too_late_is_not_given() -> None:
    """Nothing here lets the loop see its clock between the work and the answer."""

    async def starved() -> None:
        time.sleep(0.3)  # noqa: ASYNC251 - the loop stands still, as without processor time

    assert_too_late(answering_after(starved))


def test_an_application_that_handles_its_errors_is_too_late_as_well() -> None:
    """FastAPI's handlers take an answer for begun as soon as it has been tried, and would make a fault of an error from there."""
    app = FastAPI()
    install_error_handlers(app, lambda _request, _problem: Response())

    @app.get("/")
    async def starved() -> None:
        time.sleep(0.3)  # noqa: ASYNC251

    assert_too_late(app, method="GET", path="/", query_string=b"", headers=[], app=app)


def test_an_answer_in_time_is_given_and_then_has_no_limit_of_work() -> None:
    async def quick() -> None:
        await asyncio.sleep(0)

    sent: list[Any] = []
    serve(answering_after(quick), 3600.0, sent)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


def test_a_decoder_that_stands_still_holds_neither_its_picture_nor_the_next() -> None:
    """The one that is decoded and the one that waits for the decoder are both answered, before the decoder's own limit."""
    with LiveServer(SLOW_SERVICE, decoder_processes=1, decode_timeout_seconds=3600, work_timeout_seconds=0.5) as server:
        server.wait_until_ready()
        (decoder,) = server.decoders()
        stand_still(decoder)
        waiting = [server.connect().send(upload_request(GOOD_UPLOAD)) for _ in range(2)]
        answers = [connection.answer() for connection in waiting]
        assert [(answer.status, answer.code) for answer in answers] == [(504, "inference_timeout")] * 2
        assert answers[0].json["detail"] == f"The answer took longer than {STAGES * 0.5:g} seconds."
        os.kill(decoder, signal.SIGCONT)
        server.assert_serves()
