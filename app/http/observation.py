"""Outermost layer: names each request, measures it, writes its one log line, and answers what nothing else caught."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from app import metrics
from app.errors import ErrorCode, Problem, problem_response
from app.http.error_handlers import asks_for_a_page
from app.http.limits import UPLOAD_PATHS
from app.logs import begin_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("app.requests")

CLIENT_CLOSED_REQUEST = 499  # for the log only; nobody is there to read it
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


class Observation:
    """Pure ASGI middleware; gives ``scope["state"]["request_id"]`` and the answer's ``X-Request-ID``.

    Args:
        page: draws a problem for a visitor whose browser asks for a page.
    """

    def __init__(self, app: ASGIApp, page: Callable[[Request, Problem], Response]) -> None:
        self.app = app
        self.page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        metrics.IN_PROGRESS.inc()
        try:
            await self._answer(exchange, receive)
        finally:
            metrics.IN_PROGRESS.dec()
            exchange.record()

    async def _answer(self, exchange: _Exchange, receive: Receive) -> None:
        scope = exchange.scope
        try:
            await self.app(scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.status = CLIENT_CLOSED_REQUEST
        except asyncio.CancelledError:
            # the server's time to shut down is over, of which it has written a line; who has had a part of an answer gets no more
            if not exchange.status:
                await problem_response(Problem(ErrorCode.SHUTTING_DOWN), scope)(scope, receive, exchange.send)
        except Exception as error:
            problem = error if isinstance(error, Problem) else Problem(ErrorCode.INTERNAL_ERROR)
            if problem is not error:
                logger.exception("unhandled exception", extra={"fields": {"request_id": scope["state"]["request_id"]}})
            if exchange.status:  # the answer has begun: the connection can only be cut
                raise
            request = Request(scope)
            answer = self.page(request, problem) if asks_for_a_page(request) else problem_response(problem, scope)
            await answer(scope, receive, exchange.send)


class _Exchange:
    """One request and its answer, as far as they are logged."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.status = 0
        self._send = send
        self._start = time.perf_counter()
        self._fields = begin_request()
        given = Headers(scope=scope).get("x-request-id", "")
        scope.setdefault("state", {})["request_id"] = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", self.scope["state"]["request_id"].encode())]
        await self._send(message)

    def record(self) -> None:
        """Count the request and write its log line."""
        status = self.status or CLIENT_CLOSED_REQUEST
        method = self.scope["method"] if self.scope["method"] in _METHODS else "OTHER"
        route = _route_template(self.scope)
        seconds = time.perf_counter() - self._start
        metrics.REQUESTS.labels(method, route, str(status)).inc()
        metrics.DURATION.labels(route).observe(seconds)
        code = self.scope["state"].get("error_code")
        if code is not None:
            metrics.REJECTED.labels(str(code)).inc()
        line: dict[str, Any] = {
            "request_id": self.scope["state"]["request_id"],
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1e3, 2),
        }
        if code is not None:
            line["code"] = str(code)
        logger.info("request", extra={"fields": line | self._fields})


def _route_template(scope: Scope) -> str:
    """The path as declared, with its parameters' names; never the path that was asked for."""
    template = getattr(scope.get("route"), "path", None)
    if isinstance(template, str):
        return template
    return scope["path"] if scope["path"] in UPLOAD_PATHS else "unmatched"  # refused before it came to its route
