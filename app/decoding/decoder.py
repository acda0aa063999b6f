"""Bytes of an upload -> upright RGB pixels, in processes that can be killed without harm to anybody else's request.

:class:`Decoder` keeps a few decoder processes (:mod:`app.decoding.child`); one that crashes, or is killed because a picture takes too long,
is replaced at once. :func:`decode_image` does the same work in the calling process, for programs that trust their files.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.decoding.child import ChildLimits, limits_as_arguments
from app.decoding.codec import ICC_IGNORED, read_picture
from app.decoding.headers import DecodeLimits, ImageRefused
from app.decoding.process import DecoderDied, DecoderProcess
from app.errors import ErrorCode, Problem
from app.settings import Settings

__all__ = ["ICC_IGNORED", "DecodeLimits", "DecodedImage", "Decoder", "DecoderStartError", "decode_image", "decode_limits"]

SLOWDOWN = 4.0
HANG_SECONDS = 8.0  # by the clock, for the way of a large picture to its process as well: what takes longer hangs


class DecoderStartError(Exception):
    """A decoder process does not come up; the message says so in one line."""


@dataclass(frozen=True)
class DecodedImage:
    """An upright picture.

    ``pixels`` is RGB ``(H, W, 3)`` uint8, read-only. A large picture is reduced on decoding; ``width`` and ``height`` are its own, so that
    a point of ``pixels`` times ``width / W`` is a point of the picture. ``warnings`` are codes, such as :data:`ICC_IGNORED`.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    warnings: tuple[str, ...] = ()

    @property
    def reduction(self) -> tuple[float, float]:
        """How many pixels of the picture one of ``pixels`` stands for, across and down."""
        return self.width / self.pixels.shape[1], self.height / self.pixels.shape[0]


def decode_limits(settings: Settings) -> DecodeLimits:
    """The part of the settings that decoding needs."""
    return DecodeLimits(max_pixels=settings.max_pixels, max_baseline_jpeg_pixels=settings.max_baseline_jpeg_pixels)


def decode_image(data: bytes, limits: DecodeLimits) -> DecodedImage:
    """Decode in this process: no protection from decoder bugs and no time limit.

    Raises:
        Problem: the picture cannot be used; the code says why.
    """
    try:
        picture = read_picture(data, limits)
    except ImageRefused as refused:
        raise Problem(ErrorCode(refused.code), refused.detail) from None
    return DecodedImage(np.asarray(picture.rgb), picture.width, picture.height, picture.warnings)


class Decoder:
    """As many decoder processes as requests may compute at once.

    Args:
        limits: what a picture may ask for.
        processes: how many pictures are decoded at the same time.
        timeout_seconds: processor time a picture may take; a busy machine may need :data:`SLOWDOWN` times as long by the clock, and is
            given :data:`HANG_SECONDS` at least.
        memory_bytes: address space of a process.
        on_restart: called, in a thread of the decoder's own, whenever a process had to be replaced.
    """

    def __init__(
        self,
        limits: DecodeLimits,
        processes: int = 2,
        timeout_seconds: float = 2.0,
        memory_bytes: int = 512 << 20,
        on_restart: Callable[[], None] = lambda: None,
    ) -> None:
        self._arguments = limits_as_arguments(limits, ChildLimits(memory_bytes, timeout_seconds))
        self._timeout = timeout_seconds
        self._on_restart = on_restart
        self._count = processes
        self._idle: queue.SimpleQueue[DecoderProcess] = queue.SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None

    @classmethod
    def from_settings(cls, settings: Settings, on_restart: Callable[[], None] = lambda: None) -> Self:
        """A decoder with the limits an operator chose; not started."""
        return cls(decode_limits(settings), settings.decoder_processes, settings.decode_timeout_seconds, on_restart=on_restart)

    async def start(self) -> None:
        """Start the processes and wait until each is ready.

        Raises:
            DecoderStartError: one did not come up; none is left running.
        """
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="decoder")
        processes = [DecoderProcess(self._arguments, self._on_restart) for _ in range(self._count)]
        for process in processes:
            self._idle.put(process)
        loop = asyncio.get_running_loop()
        try:
            await asyncio.gather(*(loop.run_in_executor(self._threads, process.wait_until_ready) for process in processes))
        except DecoderDied:
            await self.stop()
            raise DecoderStartError("the picture decoder does not start: see whether `python -m app.decoding.child` can run here") from None

    async def stop(self) -> None:
        """End the processes, after the pictures they are at; those that wait are not read. Does nothing where they were not started."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.get_running_loop().run_in_executor(None, partial(threads.shutdown, cancel_futures=True))
            while not self._idle.empty():
                self._idle.get().close()

    async def decode(self, data: bytes) -> DecodedImage:
        """Decode one picture; waits while all processes are busy.

        Raises:
            Problem: the picture cannot be used, costs too much (``image_too_complex``), or its decoder died or hung (``decoder_failed``).
        """
        if self._threads is None:
            raise Problem(ErrorCode.SHUTTING_DOWN)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._decode, data)

    def _decode(self, data: bytes) -> DecodedImage:
        process = self._idle.get()  # there are as many threads as processes
        try:
            process.wait_until_ready()
            answer = process.ask(data, max(self._timeout * SLOWDOWN, HANG_SECONDS))
        except DecoderDied as died:
            process.restart()
            raise Problem(ErrorCode.IMAGE_TOO_COMPLEX if died.too_costly else ErrorCode.DECODER_FAILED) from None
        except BaseException:
            process.restart()  # or the rest of its answer would be read as that to the next picture
            raise
        finally:
            self._idle.put(process)
        if "code" in answer.facts:
            raise Problem(ErrorCode(answer.facts["code"]), answer.facts["detail"])
        return DecodedImage(answer.pixels, answer.facts["width"], answer.facts["height"], tuple(answer.facts["warnings"]))
