"""One decoder process as the service sees it: started, asked, killed when it is late, started again."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from app.decoding.child import JOB, REPLY
from app.decoding.codec import LONGEST_SIDE

START_TIMEOUT_SECONDS = 20.0
MAX_FACTS_BYTES = 1 << 16  # they take a few hundred
PIPE_BYTES = 1 << 20  # a megapixel in three parts, not in fifty


class DecoderDied(Exception):
    """There is no answer: the process crashed, hung, or used up its processor time (``too_costly``)."""

    def __init__(self, too_costly: bool) -> None:
        super().__init__()
        self.too_costly = too_costly


@dataclass(frozen=True)
class DecoderReply:
    """``facts`` as :mod:`app.decoding.child` describes them; ``pixels`` RGB ``(H, W, 3)`` uint8, read-only, empty for a refusal."""

    facts: dict[str, Any]
    pixels: NDArray[np.uint8]


class DecoderProcess:
    """Started on construction without waiting; used by one thread at a time.

    Args:
        arguments: from :func:`app.decoding.child.limits_as_arguments`.
        on_restart: called when the process is replaced.
    """

    def __init__(self, arguments: list[str], on_restart: Callable[[], None] = lambda: None) -> None:
        self._arguments = arguments
        self._on_restart = on_restart
        self._process = self._started()
        self._ready = False

    def wait_until_ready(self) -> None:
        """Wait for a process that has just been started; replace one that has died meanwhile.

        Raises:
            DecoderDied: it does not come up.
        """
        if self._ready and self._process.poll() is not None:
            self.restart()
        if not self._ready:
            self._reply(time.monotonic() + START_TIMEOUT_SECONDS)
            self._ready = True

    def ask(self, data: bytes, timeout_seconds: float) -> DecoderReply:
        """Have a picture decoded by a process that is ready.

        Raises:
            DecoderDied: no answer within the time; the process must be restarted.
        """
        deadline = time.monotonic() + timeout_seconds
        try:
            self._write(JOB.pack(len(data)), deadline)
            self._write(data, deadline)
        except BrokenPipeError:
            raise self._death() from None
        return self._reply(deadline)

    def restart(self) -> None:
        """End the process, if it still runs, and start another, without waiting for it."""
        self.close()
        self._process = self._started()
        self._ready = False
        self._on_restart()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        _pipe(self._process.stdout).close()
        _pipe(self._process.stdin).close()

    def _started(self) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UNTURNED_")}
        environment |= {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "MALLOC_ARENA_MAX": "2"}
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-W", "ignore", "-m", "app.decoding.child", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a traceback could quote the picture
            env=environment,
            start_new_session=True,  # Ctrl-C is for the service, which then stops its decoders
        )
        os.set_blocking(_pipe(process.stdin).fileno(), False)  # a process that hangs reads nothing
        for stream in (process.stdin, process.stdout):
            with suppress(OSError, AttributeError):  # Linux alone can; it may allow less, and then the two take turns more often
                fcntl.fcntl(_pipe(stream).fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return process

    def _reply(self, deadline: float) -> DecoderReply:
        size, columns, rows = REPLY.unpack(self._read(REPLY.size, deadline))
        if size > MAX_FACTS_BYTES or max(columns, rows) > LONGEST_SIDE:  # a picture has taken it over: no memory for what it claims
            raise self._death()
        facts = json.loads(self._read(size, deadline))
        pixels = np.frombuffer(self._read(columns * rows * 3, deadline), np.uint8)
        pixels.flags.writeable = False
        return DecoderReply(facts, pixels.reshape(rows, columns, 3))

    def _write(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        descriptor = _pipe(self._process.stdin).fileno()
        while view:
            self._wait(descriptor, select.POLLOUT, deadline)
            view = view[os.write(descriptor, view) :]

    def _read(self, count: int, deadline: float) -> bytearray:
        buffer = bytearray(count)
        view = memoryview(buffer)
        descriptor = _pipe(self._process.stdout).fileno()
        while view:
            self._wait(descriptor, select.POLLIN, deadline)
            received = os.readv(descriptor, [view])
            if received == 0:
                raise self._death()
            view = view[received:]
        return buffer

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        """Wait until a pipe can be used; kill the process that keeps it waiting too long."""
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            self._process.kill()
            self._process.wait()
            raise DecoderDied(too_costly=False)

    def _death(self) -> DecoderDied:
        """What became of a process that has closed its pipes, or that is not to be read from any more."""
        self._process.kill()  # one that has only closed them would be waited for for ever
        return DecoderDied(too_costly=self._process.wait() == -signal.SIGPROF)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
