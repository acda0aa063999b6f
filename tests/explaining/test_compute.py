"""The threads of the models: when they count as answering in time."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from app.errors import ErrorCode, Problem
from app.explaining.compute import TIMEOUTS_UNTIL_UNREADY, ComputePool
from app.explaining.service import Drawer

TIMEOUT_SECONDS = 1.0


@pytest.fixture
def pool() -> Iterator[ComputePool]:
    with ComputePool(1, TIMEOUT_SECONDS) as running:
        yield running


async def overrun(pool: ComputePool) -> None:
    """As many calls time out as make the pool unhealthy; all but the first wait for its slot and never get it."""
    calls = [pool.run(lambda: None) for _ in range(TIMEOUTS_UNTIL_UNREADY)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [outcome.code for outcome in outcomes if isinstance(outcome, Problem)] == [ErrorCode.INFERENCE_TIMEOUT] * len(calls)
    assert not pool.healthy


def test_calls_that_never_got_a_slot_do_not_close_the_pool_for_ever(pool: ComputePool) -> None:
    """Their ends, which will not come, are not waited for: after a deadline the next call may try."""
    end = threading.Event()

    async def use() -> None:
        pool.submit(end.wait)  # as a figure takes a slot, without a deadline
        await overrun(pool)
        await asyncio.sleep(TIMEOUT_SECONDS)
        assert pool.healthy
        end.set()
        await pool.run(lambda: None)

    try:
        asyncio.run(use())
    finally:
        end.set()
    assert pool.healthy


def refuse_after_an_overrun(pool: ComputePool) -> None:
    """Calls overrun behind one without a deadline; once that has ended, another is refused."""
    end = threading.Event()

    def refuse() -> None:
        raise Problem(ErrorCode.NO_FACE)

    async def use() -> None:
        blocking = pool.submit(end.wait)
        await overrun(pool)
        end.set()
        await asyncio.wrap_future(blocking)
        with pytest.raises(Problem, match="no_face"):
            await pool.run(refuse)

    try:
        asyncio.run(use())
    finally:
        end.set()


def test_a_refusal_is_an_answer_too(pool: ComputePool) -> None:
    refuse_after_an_overrun(pool)
    assert pool.healthy


def queued() -> tuple[float, float]:
    """How many calls have been in the queue so far, and for how many seconds together."""
    names = (f"unturned_stage_duration_seconds_{part}" for part in ("count", "sum"))
    count, seconds = (REGISTRY.get_sample_value(name, {"stage": "queue"}) or 0.0 for name in names)
    return count, seconds


def test_every_call_is_counted_with_its_wait(pool: ComputePool) -> None:
    """Also one that was refused, and those whose wait for the slot took all their time."""
    before = queued()
    refuse_after_an_overrun(pool)
    calls, seconds = (after - earlier for after, earlier in zip(queued(), before, strict=True))
    assert calls == TIMEOUTS_UNTIL_UNREADY + 1
    assert seconds >= 0.99 * TIMEOUTS_UNTIL_UNREADY * TIMEOUT_SECONDS


def test_a_late_end_lets_the_next_call_try(pool: ComputePool) -> None:
    end, again = threading.Event(), threading.Event()

    async def use() -> None:
        with pytest.raises(Problem, match="inference_timeout"):
            await pool.run(end.wait)
        await overrun(pool)
        end.set()
        await asyncio.wrap_future(pool.submit(lambda: None))
        assert pool.healthy
        with pytest.raises(Problem, match="inference_timeout"):  # that one, and no more
            await pool.run(again.wait)
        assert not pool.healthy

    try:
        asyncio.run(use())
    finally:
        end.set()
        again.set()


def test_what_computes_gives_way_to_the_event_loop(pool: ComputePool) -> None:
    """Each thread of its own accord: the loop's stays as it was."""

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    with Drawer() as drawer:
        assert asyncio.run(pool.run(niceness)) > before
        assert drawer.submit(niceness).result() > before
    assert niceness() == before
