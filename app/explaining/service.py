"""What the service holds while it runs: decoder processes, face detector, models, compute threads; how they start, reload and stop."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from app import metrics
from app.decoding.decoder import Decoder
from app.errors import ErrorCode, Problem
from app.explaining.compute import ComputePool
from app.explaining.loading import load_detector, load_served_explainer, too_little_address_space
from app.priority import give_way
from model.errors import InputError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from starlette.requests import Request

    from app.detection.detector import FaceDetector
    from app.explaining.explainer import Explainer
    from app.explaining.pipeline import Pipeline
    from app.http.admission import Places
    from app.settings import Settings

logger = logging.getLogger("app.explaining.service")

MOST_FIGURES = 6  # one being drawn, five waiting: the supplement's page asks for its five at once


class Drawer(ThreadPoolExecutor):
    """The thread that draws figures, one at a time.

    Without the models' deadline: a figure of eight faces takes seconds, and cannot hang. So that those that wait do not fill the places
    of uploads whose models are free, there are never more than six.
    """

    def __init__(self) -> None:
        super().__init__(1, thread_name_prefix="drawer", initializer=give_way)
        self._in_hand: set[Future[bytes]] = set()

    async def draw(self, figure: Callable[[], bytes]) -> bytes:
        """The file that ``figure`` draws; when the caller is cancelled while it still waits, it is never drawn.

        Raises:
            Problem: ``overloaded``.
        """
        if len(self._in_hand) >= MOST_FIGURES:
            raise Problem(ErrorCode.OVERLOADED, f"{MOST_FIGURES} figures are being drawn or wait for it; try again soon.")
        drawing = self.submit(figure)
        self._in_hand.add(drawing)
        # when it ends, not when its client leaves: one that is being drawn keeps the thread until then
        drawing.add_done_callback(self._in_hand.discard)
        return await asyncio.wrap_future(drawing)


class Service:
    """Start, readiness, reload and stop of one application.

    ``pipeline`` is None until everything is loaded; a reload replaces it as a whole or not at all.

    Args:
        prepare: imports and makes what requests need and the start must not wait for; called in a thread, before the models are loaded.
        import_drawing: imports what only figures need; called in the thread that draws them, once uploads are answered.
    """

    def __init__(self, settings: Settings, places: Places, prepare: Callable[[], None], import_drawing: Callable[[], None]) -> None:
        self.settings = settings
        self.executor = ComputePool(settings.compute_slots, settings.work_timeout_seconds)
        self.drawer = Drawer()
        self.pipeline: Pipeline | None = None
        self._decoder = Decoder.from_settings(settings, on_restart=metrics.DECODER_RESTARTS.inc)
        self._places = places
        self._prepare = prepare
        self._import_drawing = import_drawing
        self._tasks: set[asyncio.Task[None]] = set()
        self._loading = asyncio.Lock()
        self._draining = False
        self.loaded = False
        self.settled = asyncio.Event()  # nothing more will be loaded, unless it is asked for
        self.failure: str | None = None

    @property
    def answering(self) -> bool:
        """Whether the models are loaded and answer in time."""
        return self.loaded and self.executor.healthy

    @property
    def ready(self) -> bool:
        """Whether new uploads should be sent here."""
        return self.answering and not self._draining

    def reason(self) -> str:
        """Why the service is not ready, or ``ready``."""
        if self._draining:
            return "shutting down"
        if not self.loaded:
            return "loading"
        return "ready" if self.answering else "models do not answer in time"

    def loaded_pipeline(self) -> Pipeline:
        """What explains pictures.

        Raises:
            Problem: ``not_ready`` while the models are still loading.
        """
        if self.pipeline is None:
            raise Problem(ErrorCode.NOT_READY)
        return self.pipeline

    def start(self) -> None:
        """Begin to load everything; returns at once."""
        self._spawn(self._load())
        self._spawn(_measure_loop_lag())

    def drain(self) -> None:
        """Take no new uploads; those already read are answered."""
        self._draining = True
        self._places.drain()

    async def stop(self) -> None:
        """End the decoders and the threads."""
        for task in self._tasks:
            task.cancel()
        await self._decoder.stop()
        for pool in (self.executor, self.drawer):
            pool.shutdown(wait=False, cancel_futures=True)

    def reload(self) -> None:
        """Load the checkpoints again; keep the old ones when the new ones cannot be used."""
        self._spawn(self._reload())

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load(self) -> None:
        async with self._loading:
            try:
                # the decoders are processes of their own, and come up while this one reads
                _, (detector, explainer) = await asyncio.gather(self._decoder.start(), asyncio.to_thread(self._read))
                self._serve_with(detector, explainer)
                self.loaded = True
                logger.info("ready")
                await asyncio.wrap_future(self.drawer.submit(self._import_drawing))
                self.settled.set()
            except Exception as error:
                scarcity = None if isinstance(error, InputError) else too_little_address_space()
                self.failure = one_line(error) if scarcity is None else f"{scarcity} ({one_line(error)})"
                logger.exception("cannot start")

    def _read(self) -> tuple[FaceDetector, Explainer]:
        self._prepare()
        return load_detector(self.settings), self._read_models()

    def _read_models(self) -> Explainer:
        start = time.perf_counter()
        explainer = load_served_explainer(self.settings)
        metrics.MODEL_LOAD.set(time.perf_counter() - start)
        return explainer

    async def _reload(self) -> None:
        async with self._loading:
            try:
                detector = self.loaded_pipeline().detector
                self._serve_with(detector, await asyncio.to_thread(self._read_models))
            except Exception as error:
                metrics.RELOAD_FAILURES.inc()
                logger.exception("reload refused, the old models keep serving", extra={"fields": {"reason": one_line(error)}})
            else:
                logger.info("models reloaded")

    def _serve_with(self, detector: FaceDetector, explainer: Explainer) -> None:
        from app.explaining.pipeline import Pipeline

        self.pipeline = Pipeline(self._decoder, detector, explainer, self.executor, self.settings.compute_threads)
        metrics.MODEL_INFO.clear()
        metrics.MODEL_READY.clear()
        for name, checkpoint in explainer.checkpoints.items():
            metrics.MODEL_INFO.labels(name, checkpoint.sha256).set(1)
            metrics.MODEL_READY.labels(name).set_function(lambda: self.ready)


def service_of(request: Request) -> Service:
    """The service of the application that a request came to."""
    service: Service = request.app.state.service
    return service


async def _measure_loop_lag() -> None:
    while True:
        due = time.monotonic() + 1
        await asyncio.sleep(1)
        metrics.LOOP_LAG.set(max(0.0, time.monotonic() - due))
