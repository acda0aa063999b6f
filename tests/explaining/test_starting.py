"""How the service starts: what comes up beside what, when it says that it is ready, and what a reload leaves behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.explaining import service as module
from app.explaining.loading import load_explainer
from app.explaining.service import Service
from app.http.admission import Places
from app.pages.supplement_figures import Supplement
from app.settings import Settings
from tests.live_server import patiently
from tests.made_service import loaded_service

PATIENCE_SECONDS = 60.0


class Start:
    """A service whose decoders and models are stand-ins; its events say how far each has come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, checkpoints: Path) -> None:
        settings = Settings(checkpoint_dir=checkpoints)
        explainer = load_explainer(settings)
        self.reading, self.drawing, self.may_draw = threading.Event(), threading.Event(), threading.Event()
        self.service = Service(settings, Places(1, 0), self.reading.set, self._import_drawing)
        monkeypatch.setattr(module, "load_served_explainer", lambda settings: explainer)
        monkeypatch.setattr(module, "load_detector", lambda settings: None)
        monkeypatch.setattr(self.service._decoder, "start", self._start_decoders)

    async def _start_decoders(self) -> None:
        assert await asyncio.to_thread(self.reading.wait, PATIENCE_SECONDS), "the models wait for the decoders"
        assert not self.service.loaded

    def _import_drawing(self) -> None:
        self.drawing.set()
        assert self.may_draw.wait(PATIENCE_SECONDS)


def test_decoders_and_models_come_up_beside_each_other_and_figures_after_both(
    monkeypatch: pytest.MonkeyPatch, random_checkpoints: Path
) -> None:
    async def use() -> None:
        start = Start(monkeypatch, random_checkpoints)
        service = start.service
        service.start()
        try:
            assert await asyncio.to_thread(start.drawing.wait, PATIENCE_SECONDS), service.failure
            assert service.ready
            assert not service.settled.is_set()
            figure = asyncio.create_task(service.drawer.draw(lambda: b"figure"))
            await asyncio.sleep(0)
            assert not figure.done()  # it waits for what it is drawn with
            start.may_draw.set()
            assert await asyncio.wait_for(figure, PATIENCE_SECONDS) == b"figure"
            await asyncio.wait_for(service.settled.wait(), PATIENCE_SECONDS)
        finally:
            start.may_draw.set()
            await service.stop()

    asyncio.run(use())


def test_models_that_a_reload_replaces_go_without_the_collector(random_checkpoints: Path) -> None:
    """Which never looks at what was loaded at the start."""
    service = loaded_service(load_explainer(Settings(checkpoint_dir=random_checkpoints)))
    assert service.pipeline is not None
    old = [weakref.ref(predictor) for predictor in service.pipeline.explainer.predictors.values()]
    gc.disable()
    try:
        service._serve_with(service.pipeline.detector, load_explainer(Settings(checkpoint_dir=random_checkpoints)))
        assert old
        assert [predictor() for predictor in old] == [None] * len(old)
    finally:
        gc.enable()


def test_no_page_keeps_models_that_a_reload_replaced(client: TestClient, random_checkpoints: Path) -> None:
    """Neither the explorer's first result nor the supplement's figures."""
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    assert "data:image" in client.get("/").text
    for _ in patiently():
        if service.settled.is_set():
            break
    pipeline = service.loaded_pipeline()
    supplement = Supplement(pipeline.explainer)
    assert supplement.is_of(pipeline.explainer)
    old = weakref.ref(pipeline.explainer)
    service._serve_with(pipeline.detector, load_explainer(Settings(checkpoint_dir=random_checkpoints)))
    del pipeline
    gc.collect()
    assert old() is None
    assert not supplement.is_of(service.loaded_pipeline().explainer)
