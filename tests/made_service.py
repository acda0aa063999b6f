"""A service with loaded models that was never started: for tests of the pages alone."""

from __future__ import annotations

from typing import Any

from app.decoding.decoder import Decoder
from app.detection.mtcnn import MtcnnDetector
from app.explaining.explainer import Explainer
from app.explaining.pipeline import Pipeline
from app.explaining.service import Service
from app.http.admission import Places
from app.settings import Settings


def loaded_service(explainer: Explainer, **changed: Any) -> Service:
    """One with these models; ``changed`` are settings, which are not checked."""
    fixed = {"datasets": None, "audit": None, "work_timeout_seconds": 60.0, "compute_slots": 1}  # whatever the environment says
    settings = Settings().model_copy(update=fixed | changed)
    service = Service(settings, Places(1, 0), lambda: None, lambda: None)
    service.pipeline = Pipeline(Decoder.from_settings(settings), MtcnnDetector(), explainer, service.executor, settings.compute_threads)
    return service
