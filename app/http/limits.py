"""Limits on what a client may send and how long it may take, decided before anything is read where they can be."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from app import metrics
from app.errors import ErrorCode, Problem
from app.logs import note

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.settings import Settings

# The routes that take a picture; every other request may have only a small body.
UPLOAD_PATHS = frozenset({"/api/v1/explanations", "/api/v1/figures", "/api/v1/maps", "/explain", "/explain/crop"})


def check_head(scope: Scope, settings: Settings) -> None:
    """Refuse a head whose parts are larger than the settings allow.

    Raises:
        Problem: ``uri_too_long`` or ``headers_too_large``.
    """
    target = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if target > settings.uri_limit_bytes:
        raise Problem(ErrorCode.URI_TOO_LONG, f"The address may have {settings.uri_limit_bytes} bytes.")
    headers = scope["headers"]
    if len(headers) > settings.max_headers or sum(len(name) + len(value) + 4 for name, value in headers) > settings.head_limit_bytes:
        detail = f"A request may have {settings.max_headers} headers of {settings.head_limit_bytes} bytes together."
        raise Problem(ErrorCode.HEADERS_TOO_LARGE, detail)


def check_path(scope: Scope) -> None:
    """Refuse a path that ends in a line break, which is that of no route.

    The framework would answer it as the path without: its patterns end in ``$``. It is no path of an upload to this module and to
    :mod:`app.http.admission`, so it would need neither a place nor a token.

    Raises:
        Problem: ``not_found``.
    """
    if scope["path"].endswith("\n"):
        raise Problem(ErrorCode.NOT_FOUND)


class Body:
    """The body of one request, read with a limit and an absolute deadline.

    Args:
        receive: the server's.
        limit_bytes: more is refused, whether the length was announced or not.
        timeout_seconds: from now until the last byte must be there.
    """

    def __init__(self, receive: Receive, limit_bytes: int, timeout_seconds: float) -> None:
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._timeout_seconds = timeout_seconds
        self._start = time.monotonic()
        self._pending: asyncio.Timeout | None = None
        self._aborted: Problem | None = None
        self.received_bytes = 0
        self.complete = False

    @property
    def seconds(self) -> float:
        """Time since the head was read."""
        return time.monotonic() - self._start

    def abort(self, problem: Problem) -> None:
        """Make the reader of a body that is still arriving fail with ``problem``."""
        self._aborted = problem
        if self._pending is not None and not self._pending.expired():  # one that has just fired cannot be moved
            self._pending.reschedule(0)

    async def read(self) -> Message:
        """The next part of the body.

        Raises:
            Problem: ``body_too_large``, ``upload_timeout``, or what :meth:`abort` was given.
            ClientDisconnect: the client left before the body was complete.
        """
        message = await self._next()
        if message["type"] == "http.disconnect":
            metrics.DISCONNECTS.labels("receive").inc()
            raise ClientDisconnect
        self.received_bytes += len(message.get("body", b""))
        if self.received_bytes > self._limit_bytes:
            raise too_large(self._limit_bytes)
        if not message.get("more_body", False):
            self.complete = True
        return message

    async def _next(self) -> Message:
        if self._aborted is not None:
            raise self._aborted
        try:
            async with asyncio.timeout(max(0.0, self._timeout_seconds - self.seconds)) as self._pending:
                return await self._receive()
        except TimeoutError:
            timeout = Problem(ErrorCode.UPLOAD_TIMEOUT, f"The body must arrive within {self._timeout_seconds:g} seconds.")
            raise self._aborted or timeout from None
        finally:
            self._pending = None


def too_large(limit_bytes: int) -> Problem:
    """The problem of a body above ``limit_bytes``; the connection ends with it, since the rest of the body is not read."""
    unit, size = ("MiB", 1 << 20) if limit_bytes >= 1 << 20 else ("KiB", 1 << 10)
    detail = f"At most {limit_bytes / size:.3g} {unit} can be sent."
    return Problem(ErrorCode.BODY_TOO_LARGE, detail, headers={"Connection": "close"})


class Limits:
    """Pure ASGI middleware: sizes of head and body, and the body's deadline, for every request."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        check_head(scope, self.settings)
        check_path(scope)
        limit = self.settings.body_limit_bytes if scope["path"] in UPLOAD_PATHS else self.settings.small_body_limit_bytes
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "0")
        if not announced.isdecimal() or ("transfer-encoding" in headers and "content-length" in headers):
            raise Problem(ErrorCode.MALFORMED_REQUEST, "The length of the body is ambiguous.", headers={"Connection": "close"})
        if int(announced) > limit:
            raise too_large(limit)
        body = Body(receive, limit, self.settings.body_timeout_seconds)
        scope["state"]["body"] = body

        async def bounded() -> Message:
            if body.complete:
                return await receive()
            message = await body.read()
            if body.complete and body.received_bytes:
                metrics.UPLOAD_BYTES.observe(body.received_bytes)
                metrics.observe_stage("receive", body.seconds)
                note(bytes_in=body.received_bytes)
            return message

        await self.app(scope, bounded, send)
