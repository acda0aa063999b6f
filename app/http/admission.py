"""Which uploads are served: a bounded number at a time, the rest refused at once, and none from a client that asks too often."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from app import metrics
from app.errors import ErrorCode, Problem
from app.http.limits import UPLOAD_PATHS
from app.http.time_limit import TimeLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.http.limits import Body
    from app.settings import Settings

# Pages that are computed when they are fetched: they take places as uploads do.
COMPUTED_PAGES = re.compile(r"/samples/[^/]+|/faces/[0-9]+|/audit/[0-9]+|/supplement/[^/]+|/models/[^/]+/certificate\.pdf")

# An upload that has had this long and is slower than this may be dropped, when its place is wanted.
PATIENCE_SECONDS = 2.0
SLOW_BYTES_PER_SECOND = 16 << 10

# Decoding, models and drawing: a request may take, with its waits, as many times as long as the models alone.
STAGES = 3


class Places:
    """A bounded set of uploads in progress; one that hardly sends loses its place to one that has none.

    Args:
        slots: how many are computed at once.
        queue_length: how many more may be on their way there.
    """

    def __init__(self, slots: int, queue_length: int) -> None:
        self._capacity = slots + queue_length
        self._taken: dict[Body, None] = {}  # in the order of admission
        self._draining = False
        metrics.QUEUE_CAPACITY.set(queue_length)
        metrics.QUEUE_DEPTH.set_function(lambda: max(0, len(self._taken) - slots))

    def take(self, body: Body) -> None:
        """Take a place.

        Raises:
            Problem: ``overloaded`` or ``shutting_down``.
        """
        if self._draining:
            raise Problem(ErrorCode.SHUTTING_DOWN)
        if len(self._taken) >= self._capacity and not self._evict():
            raise Problem(ErrorCode.OVERLOADED)
        self._taken[body] = None

    def leave(self, body: Body) -> None:
        """Give a place back; harmless when it was lost before."""
        self._taken.pop(body, None)

    def drain(self) -> None:
        """Refuse new uploads, and those whose body is still arriving."""
        self._draining = True
        for body in self._taken:
            if not body.complete:
                body.abort(Problem(ErrorCode.SHUTTING_DOWN))

    def _evict(self) -> bool:
        for body in self._taken:
            patience_over = body.seconds > PATIENCE_SECONDS
            if not body.complete and patience_over and body.received_bytes < SLOW_BYTES_PER_SECOND * body.seconds:
                body.abort(Problem(ErrorCode.UPLOAD_TIMEOUT, "The body arrives too slowly for a busy service."))
                self._taken.pop(body, None)
                return True
        return False


class RateLimit:
    """A token bucket for each client address (IPv6: each /64), in memory only.

    Args:
        per_second: tokens gained; 0 turns the limit off.
        burst: tokens a client starts with.
    """

    MAX_CLIENTS = 10_000

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, client: str) -> None:
        """Take one token of ``client``.

        Raises:
            Problem: ``rate_limited``.
        """
        if not self._per_second:
            return
        key, now = _client_key(client), self._clock()
        tokens, since = self._buckets.pop(key, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - since) * self._per_second)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - allowed, now)
        if len(self._buckets) > self.MAX_CLIENTS:
            self._buckets.popitem(last=False)
        if not allowed:
            wait = math.ceil((1 - tokens) / self._per_second)
            raise Problem(ErrorCode.RATE_LIMITED, headers={"Retry-After": str(wait)})


def _client_key(client: str) -> str:
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if not isinstance(address, IPv6Address):
        return client
    if address.ipv4_mapped is not None:  # as a proxy that listens on both kinds writes IPv4
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))


class Admission:
    """Pure ASGI middleware: admits uploads, before their body is read, and computed pages; stops working for a client that has left."""

    def __init__(self, app: ASGIApp, settings: Settings, places: Places, ready: Callable[[], bool]) -> None:
        self.app = app
        self.places = places
        self.ready = ready
        self.limit_seconds = STAGES * settings.work_timeout_seconds
        self.rate_limit = RateLimit(settings.rate_limit_per_second, settings.rate_limit_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _computes(scope):
            await self.app(scope, receive, send)
            return
        if not self.ready():
            raise Problem(ErrorCode.NOT_READY)
        client = scope.get("client")
        self.rate_limit.spend(client[0] if client else "")
        body: Body = scope["state"]["body"]
        self.places.take(body)
        work = TimeLimit(self._page if scope["method"] == "GET" else self.app, body, self.limit_seconds)
        try:
            await _Watched(work, body).serve(scope, receive, send)
        finally:
            self.places.leave(body)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A page does not read its body, and until that is read nobody is told when the client leaves."""
        while not scope["state"]["body"].complete:
            await receive()
        await self.app(scope, receive, send)


def _computes(scope: Scope) -> bool:
    """Whether the models work for this request alone."""
    if scope["method"] == "GET":
        return COMPUTED_PAGES.fullmatch(scope["path"]) is not None
    return scope["method"] == "POST" and scope["path"] in UPLOAD_PATHS


class _Watched:
    """One upload whose work is cancelled when its client leaves after sending it all."""

    def __init__(self, app: ASGIApp, body: Body) -> None:
        self._app = app
        self._body = body
        self._watch: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()
        self._answered = False

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.current_task()
        assert work is not None

        async def leave() -> None:
            await receive()
            self._gone.set()
            if not self._answered:
                metrics.DISCONNECTS.labels("compute").inc()
                work.cancel()

        async def watched_receive() -> Message:
            if self._body.complete:
                await self._gone.wait()
                return {"type": "http.disconnect"}
            message = await receive()
            if self._body.complete:
                self._watch = asyncio.create_task(leave())
            return message

        async def watched_send(message: Message) -> None:
            self._answered = True
            await send(message)

        try:
            await self._app(scope, watched_receive, watched_send)
        except asyncio.CancelledError:
            if not self._gone.is_set() or work.uncancel():
                raise
        finally:
            if self._watch is not None:
                self._watch.cancel()
