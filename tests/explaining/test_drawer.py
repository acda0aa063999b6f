"""The thread that draws figures: how many wait for it, and what becomes of those whose clients leave."""

from __future__ import annotations

import asyncio
import threading

import pytest

from app.errors import Problem, problem_headers
from app.explaining.service import MOST_FIGURES, Drawer


async def assert_refused(drawer: Drawer) -> None:
    with pytest.raises(Problem, match="overloaded") as refused:
        await asyncio.wait_for(drawer.draw(bytes), 10)
    assert problem_headers(refused.value)["Retry-After"]


def test_few_figures_wait_and_the_others_are_refused_at_once() -> None:
    begun, end = threading.Event(), threading.Event()

    def held() -> bytes:
        begun.set()
        end.wait()
        return b"held"

    async def use(drawer: Drawer) -> None:
        first = asyncio.create_task(drawer.draw(held))
        waiting = [asyncio.create_task(drawer.draw(bytes)) for _ in range(MOST_FIGURES - 1)]
        await asyncio.to_thread(begun.wait)
        await assert_refused(drawer)
        for left in (waiting.pop(), first):  # one that waits makes room when its client leaves; one that is being drawn does not
            left.cancel()
            await asyncio.wait([left])
            if left is not first:
                waiting.append(asyncio.create_task(drawer.draw(bytes)))
                await asyncio.sleep(0)
            await assert_refused(drawer)
        end.set()
        assert await asyncio.gather(*waiting) == [b""] * len(waiting)
        assert await drawer.draw(lambda: b"drawn") == b"drawn"

    with Drawer() as drawer:
        try:
            asyncio.run(use(drawer))
        finally:
            end.set()
