"""The body's deadline, where a request over a socket cannot meet the moment."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest

from app.errors import ErrorCode, Problem
from app.http.limits import Body


def test_a_body_may_be_given_up_just_when_its_deadline_passes() -> None:
    """Between the moment the timer fires and the one its reader runs."""

    async def receive() -> NoReturn:
        await asyncio.sleep(3600)
        raise AssertionError

    async def read() -> None:
        body = Body(receive, 1000, 0.01)
        reading = asyncio.create_task(body.read())
        await asyncio.sleep(0)
        pending = body._pending
        assert pending is not None
        for _ in iter(pending.expired, True):
            await asyncio.sleep(0)
        assert body._pending is pending
        body.abort(Problem(ErrorCode.SHUTTING_DOWN))
        await reading

    with pytest.raises(Problem, match="shutting_down"):
        asyncio.run(read())
