"""Prometheus metrics, prefix ``unturned_``. Labels come from closed sets only; nothing is counted by expression or by client."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from starlette.responses import Response

from app.logs import note_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter("unturned_http_requests", "Answered requests", ("method", "route", "status"))
DURATION = Histogram("unturned_http_request_duration_seconds", "From headers read to answer written", ("route",), buckets=SECONDS)
IN_PROGRESS = Gauge("unturned_http_requests_in_progress", "Requests being answered")
REJECTED = Counter("unturned_rejected", "Requests answered with a problem", ("code",))
UPLOAD_BYTES = Histogram("unturned_upload_bytes", "Body of an upload", buckets=tuple(float(1 << power) for power in range(12, 25, 2)))
STAGE = Histogram("unturned_stage_duration_seconds", "One step of an upload", ("stage",), buckets=(0.001, 0.0025, *SECONDS))
QUEUE_DEPTH = Gauge("unturned_queue_depth", "Admitted requests beyond the compute slots")
QUEUE_CAPACITY = Gauge("unturned_queue_capacity", "Requests that may wait for a compute slot")
BATCH_IMAGES = Histogram("unturned_batch_images", "Face crops in one forward pass, mirrored ones included", buckets=(1, 2, 4, 8, 16, 32))
FACES = Histogram("unturned_faces_per_image", "Faces found in one picture", buckets=(0, 1, 2, 4, 8, 16, 64, 256))
MODEL_INFO = Gauge("unturned_model_info", "1 for each loaded checkpoint", ("model", "sha256"))
MODEL_READY = Gauge("unturned_model_ready", "1 when the checkpoint answers", ("model",))
MODEL_LOAD = Gauge("unturned_model_load_seconds", "Loading and checking all checkpoints took")
RELOAD_FAILURES = Counter("unturned_model_reload_failures", "Reloads refused; the old models kept serving")
DISCONNECTS = Counter("unturned_client_disconnects", "Clients gone before their answer", ("phase",))
DECODER_RESTARTS = Counter("unturned_decoder_restarts", "Picture decoders replaced after a crash or a kill")
LOOP_LAG = Gauge("unturned_event_loop_lag_seconds", "How late the event loop woke up, last second")
LOG_DROPPED = Counter("unturned_log_dropped", "Log lines lost because the output was blocked or full")

STAGES = ("receive", "decode", "detect", "queue", "forward", "maps", "encode")


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time one step of a request (one of :data:`STAGES`) for the histogram and the request's log line."""
    start = time.perf_counter()
    try:
        yield
    finally:
        observe_stage(name, time.perf_counter() - start)


def observe_stage(name: str, seconds: float) -> None:
    """Record a step measured elsewhere."""
    STAGE.labels(name).observe(seconds)
    note_stage(name, seconds)


def exposition() -> Response:
    """All metrics in Prometheus' text format."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
