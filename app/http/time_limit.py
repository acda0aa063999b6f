"""The time that all work on one request may take, whatever it waits for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.errors import ErrorCode, Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.http.limits import Body


class TimeLimit:
    """Pure ASGI middleware around one request: its work ends when the answer has not begun in time.

    The time counts from the complete body; before it the body's own limit counts, and after the answer's beginning the client's reading.
    An answer that comes too late all the same, because a starved event loop did not notice, is not given.
    """

    def __init__(self, app: ASGIApp, body: Body, seconds: float) -> None:
        self._app = app
        self._body = body
        self._seconds = seconds
        self._limit = asyncio.timeout(None)
        self._answered = False
        self._late = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request.

        Raises:
            Problem: ``inference_timeout``.
        """

        async def limited_receive() -> Message:
            message = await receive()
            if self._body.complete and not self._answered and self._limit.when() is None:
                self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds)
            return message

        async def limited_send(message: Message) -> None:
            if not self._answered:
                self._answered = True
                self._begin_answer()
            if not self._late:  # nothing is raised here: whoever handles errors further in takes the answer for begun
                await send(message)

        try:
            async with self._limit:
                await self._app(scope, limited_receive, limited_send)
        except TimeoutError:
            if not self._limit.expired():
                raise
            raise self._too_late() from None
        if self._late:
            raise self._too_late()

    def _begin_answer(self) -> None:
        due = self._limit.when()
        self._late = self._limit.expired() or (due is not None and asyncio.get_running_loop().time() > due)
        if not self._late:
            self._limit.reschedule(None)

    def _too_late(self) -> Problem:
        return Problem(ErrorCode.INFERENCE_TIMEOUT, f"The answer took longer than {self._seconds:g} seconds.")
