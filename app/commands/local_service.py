"""The service's path from a picture to its explanation, for commands: no port, no queue, no log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Self

from app.api.schemas import explanation_answer
from app.decoding.decoder import Decoder
from app.errors import CannotStartError, one_line
from app.explaining.compute import ComputePool
from app.explaining.explainer import OURS
from app.explaining.loading import load_detector, load_explainer
from app.explaining.pipeline import ExplainOptions, explain_picture
from app.settings import load_settings
from model.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.explaining.explainer import Explainer
    from app.explaining.maps import ExplainedFaces

REQUEST_ID = "local"
PATIENCE = 30  # times the service's time limits: nobody else waits for this picture


@dataclass(frozen=True)
class LocalAnswer:
    """A picture's answer as the API's JSON, and as what its figure needs."""

    document: bytes
    explained: ExplainedFaces


class LocalService:
    """Models, detector and decoder of the settings, for one picture after the other; a context manager.

    Raises:
        SettingsError: a setting of the environment cannot be used.
        CannotStartError: on entering the context.
    """

    def __init__(self) -> None:
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
        self._state = SimpleNamespace(decoder=self._decoder, executor=self._executor)

    @property
    def explainer(self) -> Explainer:
        """The loaded models."""
        explainer: Explainer = self._state.explainer
        return explainer

    def check_models(self, names: Sequence[str]) -> Sequence[str]:
        """The names themselves, if each is a loaded model.

        Raises:
            InputError: one is not; the message lists those there are.
        """
        known = [*self.explainer.checkpoints, OURS]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(f"--models: there is no model {', '.join(unknown)}; there are {', '.join(known)}")
        return names

    def __enter__(self) -> Self:
        try:
            self._state.explainer = load_explainer(self.settings)
            self._state.detector = load_detector(self.settings)
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

    def explain(self, data: bytes, options: ExplainOptions, caption: str = "") -> LocalAnswer:
        """Decode and explain one picture; the caption names its faces in a figure.

        Raises:
            Problem: whatever is wrong with the picture or the options.
        """
        picture = self._runner.run(explain_picture(self._state, data, options))
        explained = picture.as_faces(caption)
        return LocalAnswer(explanation_answer(picture, REQUEST_ID).model_dump_json().encode(), explained)

    def _close(self) -> None:
        self._runner.run(self._decoder.stop())
        self._runner.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
