"""One connection: uvicorn's HTTP/1.1 protocol with absolute deadlines, a bounded number of connections, and answers that arrive.

uvicorn limits neither how long a head may take nor how long an answer may stay unread, and it closes the socket while a refused client is
still sending, which resets the connection and hides the answer. The bodies' deadline is in :mod:`app.http.limits`.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import sys
import termios
import uuid
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from app import metrics
from app.errors import MEDIA_TYPE, ErrorCode, Problem, problem_body

if TYPE_CHECKING:
    from app.settings import Settings

logger = logging.getLogger("app.requests")

LINGER_SECONDS = 1.0
LINGER_BYTES = 16 << 20
SLOWEST_READER = 16 << 10  # bytes a second; who reads faster is waited for as long as it takes
_HEAD_TOO_LONG = 431  # h11's hint


class PoliteTransport:
    """A transport whose :meth:`close` leaves it to the protocol how to end the connection; everything else is the transport's own."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._closing = False

    def close(self) -> None:
        """End the connection once the client has had its answer."""
        if not self._closing:
            self._closing = True
            self._protocol.end()

    def is_closing(self) -> bool:
        """Whether the end has begun."""
        return self._closing or self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class BoundedProtocol(H11Protocol):
    """An HTTP/1.1 connection with time limits on head and answer; :meth:`configured` gives the class its settings."""

    settings: Settings

    @classmethod
    def configured(cls, settings: Settings) -> type[BoundedProtocol]:
        """A subclass that obeys ``settings``."""
        return type("ConfiguredProtocol", (cls,), {"settings": settings})

    # -- life of the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept, and make room by closing the connection that has been idle longest."""
        self._socket = transport
        self._deadlines: dict[str, asyncio.TimerHandle] = {}
        self._lingering = False
        self._unread = False
        self._left_bytes = 0
        self.dropped = False
        self._discarded_bytes = 0
        super().connection_made(PoliteTransport(transport, self))  # type: ignore[arg-type]
        self.idle_since = self.loop.time()
        self._arm("head", self.settings.head_timeout_seconds)
        if len(self.connections) > self.settings.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for name in list(self._deadlines):
            self._disarm(name)
        if self._unread or (self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete):
            metrics.DISCONNECTS.labels("send").inc()
        super().connection_lost(exc)

    def end(self) -> None:
        """Close; but first let a client that is still sending read its answer."""
        if self._socket.is_closing() or self.conn.their_state not in {h11.SEND_BODY, h11.ERROR}:
            self._close()
            return
        self._lingering = True
        self._read_on("linger")
        self._socket.resume_reading()
        if self._socket.can_write_eof():
            self._socket.write_eof()

    def _close(self) -> None:
        """Close the socket when what is written has been read, which is not waited for for ever."""
        if not self._socket.is_closing():
            self._arm_write()
            self._socket.close()

    # -- bytes

    def data_received(self, data: bytes) -> None:
        """Parse, or while lingering throw away."""
        if self._lingering or "unread body" in self._deadlines:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > LINGER_BYTES:
                self._close()
        if self._lingering:
            return
        super().data_received(data)
        self._watch_head()

    def eof_received(self) -> None:
        """A client that has stopped sending has also stopped waiting."""
        self._close()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP; heads too long for the parser get the status of their own."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # its application must not answer as well
            self.cycle.message_event.set()
        self._send_problem(Problem(self._fault()))
        self.transport.close()

    def _fault(self) -> ErrorCode:
        if getattr(sys.exception(), "error_status_hint", 400) != _HEAD_TOO_LONG:
            return ErrorCode.MALFORMED_REQUEST
        unread, _ = self.conn.trailing_data
        if b"\n" in unread:
            return ErrorCode.HEADERS_TOO_LARGE
        # of a body that is arriving, it is the size of a chunk that has no end
        return ErrorCode.URI_TOO_LONG if self.conn.our_state is h11.IDLE else ErrorCode.MALFORMED_REQUEST

    def _send_problem(self, problem: Problem) -> None:
        request_id = uuid.uuid4().hex
        body = json.dumps(problem_body(problem, request_id)).encode()
        headers = [
            ("Content-Type", MEDIA_TYPE),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Request-ID", request_id),
            ("Connection", "close"),
        ]
        for event in (h11.Response(status_code=problem.code.status, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        metrics.REJECTED.labels(problem.code.value).inc()
        # no method and no route: what was sent could not be read
        logger.info("request", extra={"fields": {"request_id": request_id, "status": problem.code.status, "code": problem.code.value}})

    # -- deadlines

    def on_response_complete(self) -> None:
        """Wait for the next request; a body that nobody read may go on arriving for as long as a lingering one."""
        super().on_response_complete()
        self.idle_since = self.loop.time()
        if self._body_unread and not self.transport.is_closing():
            self._read_on("unread body")
        self._watch_head()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._arm_write()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if not self.transport.is_closing():
            self._disarm("write")
        super().resume_writing()

    @property
    def _body_unread(self) -> bool:
        """Whether a body is still arriving whose request has been answered."""
        return self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete

    def _watch_head(self) -> None:
        """Arm the head's deadline at its first byte, disarm it at its last; likewise disarm that of an unread body, after which the
        connection is idle."""
        if not self._body_unread:
            self._disarm("unread body")
        unread, _ = self.conn.trailing_data
        if self.conn.their_state is not h11.IDLE:
            self._disarm("head")
        elif unread:
            self._arm("head", self.settings.head_timeout_seconds)
        elif self.cycle is not None and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            # uvicorn counts from the answer, and no more once the rest of a body has come
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _read_on(self, name: str) -> None:
        """Let more come that nobody reads, for a while and up to a size."""
        self._discarded_bytes = 0
        self._arm(name, LINGER_SECONDS)

    def _arm_write(self) -> None:
        """Give the client until the deadline to read a part of what is left, or all of it."""
        if "write" not in self._deadlines:
            self._left_bytes = self._unread_bytes()
            self._arm("write", self.settings.write_timeout_seconds)

    def _unread_bytes(self) -> int:
        """What has not reached the client: here, and in the kernel, whose buffer takes megabytes and is refilled in large steps."""
        kernel = fcntl.ioctl(self._socket.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        return self._socket.get_write_buffer_size() + int.from_bytes(kernel, sys.byteorder)

    def _arm(self, name: str, seconds: float) -> None:
        if name not in self._deadlines:
            self._deadlines[name] = self.loop.call_later(seconds, self._expired, name)

    def _disarm(self, name: str) -> None:
        handle = self._deadlines.pop(name, None)
        if handle is not None:
            handle.cancel()

    def _expired(self, name: str) -> None:
        del self._deadlines[name]
        if name != "write":
            self._close()
        elif self._left_bytes - self._unread_bytes() >= SLOWEST_READER * self.settings.write_timeout_seconds:
            self._arm_write()
        else:
            self._unread = True
            self._socket.abort()

    # -- room

    @property
    def idle(self) -> bool:
        """Whether no request is being answered, and the last answer has left."""
        return (self.cycle is None or self.cycle.response_complete) and not self._socket.get_write_buffer_size()

    def drop(self) -> None:
        """Close without waiting for anything; the connection is lost only when the event loop next turns."""
        self.dropped = True
        self._socket.abort()

    def _make_room(self) -> None:
        staying = [each for each in self.connections if isinstance(each, BoundedProtocol) and not each.dropped]
        if len(staying) > self.settings.max_connections:
            idle = [each for each in staying if each is not self and each.idle]
            min(idle, key=lambda each: each.idle_since, default=self).drop()
