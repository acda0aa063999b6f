"""One server process: how it starts, what its signals do, and with which status it ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import uvicorn

from app import metrics
from app.http.wire import BoundedProtocol
from app.logs import configure_logging
from app.main import create_app
from model.files.allocator import share_heaps

if TYPE_CHECKING:
    from types import FrameType

    from fastapi import FastAPI

    from app.settings import Settings

logger = logging.getLogger("app.server")

CANNOT_START = 3
STDIN = 0
HEAPS = 2
# Until a thread that computes in Python lets the event loop have the interpreter. The loop gives it up several times a request, whenever
# it reads or writes: with the default of 5 ms, one refusal could wait for it five times over.
SWITCH_SECONDS = 0.001


class Server(uvicorn.Server):
    """uvicorn's server, which ends when the application cannot start, and at once on the second signal."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._service = app.state.service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and from then on answer SIGHUP."""
        await super().startup(sockets)
        if self.started:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, self._hang_up, os.isatty(STDIN))
            self._sparing = loop.create_task(self._spare_collector())

    async def _spare_collector(self) -> None:
        """What is loaded stays: a full collection would look through all of it, 75 ms in which nobody is answered."""
        await self._service.settled.wait()
        gc.freeze()

    async def on_tick(self, counter: int) -> bool:
        """Whether to end, asked ten times a second."""
        return await super().on_tick(counter) or self._service.failure is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new work, finish what has been received, close the rest."""
        logger.info("shutting down", extra={"fields": {"longest_wait_seconds": self.config.timeout_graceful_shutdown}})
        self._service.drain()
        await super().shutdown(sockets)
        # asyncio waits for the threads of its own pool; one that still reads models is of no use, and `end` leaves without it
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))

    def _hang_up(self, had_terminal: bool) -> None:
        """Reload the models; but end where the signal says that the terminal is gone which this was started in."""
        if had_terminal and not os.isatty(STDIN):
            self.should_exit = True
        else:
            self._service.reload()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends gracefully, the second at once."""
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True


def serve(settings: Settings) -> int:
    """Serve until a signal; returns the exit status: 0, or 3 when the service cannot start."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold the pictures that are in memory
    share_heaps(HEAPS)
    sys.setswitchinterval(SWITCH_SECONDS)
    writer = configure_logging(sys.stdout.fileno(), metrics.LOG_DROPPED.inc)
    app = create_app(settings)
    proxies = [str(network) for network in settings.trusted_proxies]
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="asyncio",
        http=BoundedProtocol.configured(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.shutdown_timeout_seconds,
        h11_max_incomplete_event_size=settings.head_limit_bytes,
    )
    try:
        listener = socket.create_server((settings.host, settings.port), family=_family(settings.host), backlog=128)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # the address follows, again
        remedy = "choose another with --host or --port (UNTURNED_HOST, UNTURNED_PORT)"
        print(f"unturned: cannot listen on {settings.host} port {settings.port}: {reason}: {remedy}", file=sys.stderr)
        return CANNOT_START
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    logger.info("listening", extra={"fields": {"address": host, "port": port, "url": url}})
    Server(app, config).run([listener])
    failure = app.state.service.failure
    if failure is not None:
        print(f"unturned: cannot start: {failure}", file=sys.stderr)
    writer.close()
    return 0 if failure is None else CANNOT_START


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def end(status: int) -> None:
    """End the process now: a model may still compute for somebody who no longer waits, and taking down torch takes seconds."""
    sys.stderr.flush()
    os._exit(status)
