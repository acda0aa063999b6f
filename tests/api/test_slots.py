"""What is done in a compute slot, so that the event loop is free for the others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api import routes as api
from app.drawing import saved_maps
from app.explaining.compute import ComputePool
from app.pages import without_javascript
from tests.api_calls import EXPLANATIONS, post


@pytest.mark.parametrize(
    ("path", "maker"), [(EXPLANATIONS, "explanation_answer"), ("/api/v1/maps", "save_maps"), ("/explain", "still_result")]
)
def test_an_answer_is_made_in_the_slot_that_explained_the_picture(
    client: TestClient, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch, path: str, maker: str
) -> None:
    """Neither on the event loop, nor in another slot, for which it would have to wait again."""
    threads, runs = [], []
    module = {"explanation_answer": api, "save_maps": saved_maps, "still_result": without_javascript}[maker]
    make, run = getattr(module, maker), ComputePool.run

    def making(*arguments: Any) -> Any:
        threads.append(threading.current_thread().name)
        return make(*arguments)

    async def running(pool: ComputePool, function: Callable[[], Any]) -> Any:
        runs.append(function)
        return await run(pool, function)

    monkeypatch.setattr(module, maker, making)
    monkeypatch.setattr(ComputePool, "run", running)
    assert post(client, astronaut_jpeg, path).status_code == 200
    assert [name.partition("_")[0] for name in threads] == ["compute"]
    assert len(runs) == 1
