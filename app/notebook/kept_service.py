"""The service's path from a picture to its explanation, kept in the background from one call in Python to the next."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

from app.explaining.explainer import Explainer
from app.explaining.local_service import LocalService
from app.settings import Settings, load_settings

Result = TypeVar("Result")


class KeptService:
    """Decoder process and face detector, started by the first call and again only after the settings of the environment have changed.

    They live in a thread of their own, since a notebook's has an event loop running, in which no other can; so callers take turns. The
    decoder process ends with this one, whose end it reads from its pipe.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "unturned")
        self._open = ExitStack()
        self._running: LocalService | None = None
        self._settings: Settings | None = None
        self._of_the_parent: list[object] = []
        os.register_at_fork(after_in_child=self._leave_to_the_parent)

    def ask(self, explainer: Explainer, work: Callable[[LocalService], Result]) -> Result:
        """What ``work`` makes of the service, which explains with the models of ``explainer``.

        Raises:
            SettingsError: a setting of the environment cannot be used.
            CannotStartError: the decoder or the detector does not start.
            Problem: whatever ``work`` raises.
        """
        return self._thread.submit(lambda: work(self._service(explainer))).result()

    def _service(self, explainer: Explainer) -> LocalService:
        settings = load_settings()
        if self._running is None or self._settings != settings:
            self._running = None
            self._open.close()
            self._running = self._open.enter_context(LocalService(explainer))
            self._settings = settings
        self._running.use(explainer)
        return self._running

    def _leave_to_the_parent(self) -> None:
        """In a forked process the thread does not exist; decoder and event loop are the parent's, neither to be used nor closed."""
        self._of_the_parent += [self._thread, self._open, self._running]
        self._thread, self._open, self._running = ThreadPoolExecutor(1, "unturned"), ExitStack(), None


SERVICE = KeptService()
