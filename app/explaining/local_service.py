"""The service's path from a picture to its explanation, for commands and Python: no port, no queue, no log."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from app.choices import OURS
from app.decoding.decoder import Decoder
from app.errors import CannotStartError
from app.explaining.compute import ComputePool
from app.explaining.loading import load_detector, load_explainer
from app.explaining.options import ExplainOptions
from app.explaining.pipeline import Pipeline
from app.settings import load_settings
from model.errors import InputError, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.explaining.explainer import Explainer
    from app.explaining.pipeline import ExplainedPicture
    from model.importing.metadata import AnyCheckpoint

PATIENCE = 30  # times the service's time limits: nobody else waits for this picture


class LocalService:
    """Models, detector and decoder of the settings, for one picture after the other; a context manager.

    Args:
        explainer: models to use in place of the settings'.

    Raises:
        SettingsError: a setting of the environment cannot be used.
        CannotStartError: on entering the context.
    """

    def __init__(self, explainer: Explainer | None = None) -> None:
        self._given = explainer
        settings = load_settings()
        self.settings = settings.model_copy(
            update={
                "decoder_processes": 1,
                "decode_timeout_seconds": settings.decode_timeout_seconds * PATIENCE,
                "work_timeout_seconds": settings.work_timeout_seconds * PATIENCE,
            }
        )
        self._runner = asyncio.Runner()
        self._decoder = Decoder.from_settings(self.settings)
        self._executor = ComputePool(1, self.settings.work_timeout_seconds)
        self._pipeline: Pipeline | None = None

    @property
    def explainer(self) -> Explainer:
        """The loaded models."""
        return self._loaded().explainer

    def use(self, explainer: Explainer) -> None:
        """Explain with other models from here on."""
        self._pipeline = replace(self._loaded(), explainer=explainer)

    def resolve(self, names: Sequence[str]) -> dict[str, AnyCheckpoint]:
        """The checkpoints that the names asked for stand for, by those names.

        Raises:
            InputError: there is none of a name; the message lists those there are.
        """
        known = [*self.explainer.checkpoints, OURS]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(f"there is no model {', '.join(unknown)}; there are {', '.join(known)}")
        return self.explainer.resolve(names)

    def __enter__(self) -> Self:
        try:
            explainer, detector = self._given or load_explainer(self.settings), load_detector(self.settings)
            self._pipeline = Pipeline(self._decoder, detector, explainer, self._executor, self.settings.compute_threads)
            self._runner.run(self._decoder.start())
        except Exception as error:  # whatever a file or a library objects to, as for the service
            self._close()
            raise CannotStartError(one_line(error)) from error
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def explain(self, data: bytes, models: Mapping[str, AnyCheckpoint], options: ExplainOptions) -> ExplainedPicture:
        """Decode and explain one picture with models of :meth:`resolve`.

        Raises:
            Problem: whatever is wrong with the picture or the options.
        """
        return self._runner.run(self._loaded().explain(data, models, options))

    def _loaded(self) -> Pipeline:
        assert self._pipeline is not None, "the context was not entered"
        return self._pipeline

    def _close(self) -> None:
        self._runner.run(self._decoder.stop())
        self._runner.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
