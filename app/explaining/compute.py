"""The threads that run the models: as many at once as there are slots, each request with a deadline, none on the event loop."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from app.errors import ErrorCode, Problem
from app.metrics import observe_stage
from app.priority import give_way

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

TIMEOUTS_UNTIL_UNREADY = 5


class ComputePool(ThreadPoolExecutor):
    """A thread pool whose callers stop waiting after a deadline.

    A thread cannot be cancelled: one that overran its deadline keeps its slot until it ends. After five overruns in a row the pool is
    not :attr:`healthy` until a call ends, late or refused as it may be, or until the next may try, a deadline after the last overrun.
    """

    def __init__(self, slots: int, timeout_seconds: float) -> None:
        super().__init__(max_workers=slots, thread_name_prefix="compute", initializer=give_way)
        self._timeout_seconds = timeout_seconds
        self._overruns = 0
        self._overran_at = 0.0

    @property
    def healthy(self) -> bool:
        """False while the models do not answer in time."""
        if self._overruns < TIMEOUTS_UNTIL_UNREADY:
            return True
        # what overran may never have had a slot, so nothing of it need ever end
        return time.monotonic() - self._overran_at >= self._timeout_seconds

    async def run(self, function: Callable[[], T]) -> T:
        """Run ``function`` in a slot; when the caller is cancelled while it still waits for one, it never runs.

        Raises:
            Problem: ``inference_timeout``.
        """
        queued = time.perf_counter()
        waited: list[float] = []

        def timed() -> T:
            waited.append(time.perf_counter() - queued)
            try:
                return function()
            finally:
                self._ended(time.perf_counter() - queued)

        future: Future[T] = self.submit(timed)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            self._overruns += 1
            self._overran_at = time.monotonic()
            raise Problem(ErrorCode.INFERENCE_TIMEOUT, f"The models did not answer within {self._timeout_seconds:g} seconds.") from None
        finally:
            observe_stage("queue", waited[0] if waited else time.perf_counter() - queued)

    def _ended(self, seconds: float) -> None:
        """Any end shows that the models answer; a late one lets only the next request try."""
        self._overruns = 0 if seconds < self._timeout_seconds else min(self._overruns, TIMEOUTS_UNTIL_UNREADY - 1)
