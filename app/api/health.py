"""Whether the service lives and can answer, and what it is."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app import metrics
from app.errors import ErrorCode, Problem
from app.explaining.service import service_of
from model.files.revision import code_revision

if TYPE_CHECKING:
    from model.importing.metadata import AnyCheckpoint

router = APIRouter(tags=["operation"])

PURPOSE = "For research. Not for judging employees, applicants, pupils or anybody else."


class Live(BaseModel):
    """The process answers."""

    live: bool = True


class Ready(BaseModel):
    """Whether uploads are answered, and why not."""

    ready: bool
    reason: str
    models: dict[str, str]


class Information(BaseModel):
    """What runs here, and the limits in force."""

    name: str
    version: str
    revision: str
    purpose: str
    models: dict[str, str]
    limits: dict[str, int | float]


class ProblemKind(BaseModel):
    """One kind of problem: the page that a problem's ``type`` points to."""

    code: str
    status: int
    title: str
    detail: str


@router.get("/health/live")
async def live() -> Live:
    """The process answers; no model is touched."""
    return Live()


@router.get("/health/ready", responses={503: {"model": Ready}})
async def ready(request: Request, response: Response) -> Ready:
    """Uploads are answered: every model has passed its checks and answers in time, and the service is not stopping."""
    service = service_of(request)
    if not service.ready:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    reason = service.reason()
    return Ready(ready=service.ready, reason=reason, models=dict.fromkeys(_checkpoints(request), reason))


@router.get("/info")
async def info(request: Request) -> Information:
    """Version, models by sha256, and the limits in force."""
    settings = service_of(request).settings
    limits = {name: value for name, value in settings.model_dump().items() if name.startswith("max_") or "_limit_" in name}
    return Information(
        name="unturned",
        version=request.app.version,
        revision=_revision(),
        purpose=PURPOSE,
        models={name: checkpoint.sha256 for name, checkpoint in _checkpoints(request).items()},
        limits=limits | {name: value for name, value in settings.model_dump().items() if name.endswith("_timeout_seconds")},
    )


@router.get("/problems/{code}")
async def problem_kind(code: str) -> ProblemKind:
    """What an error code means."""
    if code not in ErrorCode.__members__.values():
        raise Problem(ErrorCode.NOT_FOUND)
    kind = ErrorCode(code)
    return ProblemKind(code=kind.value, status=kind.status, title=kind.summary, detail=kind.advice)


@router.get("/metrics", include_in_schema=False)
async def prometheus(request: Request) -> Response:
    """Prometheus' text format; 404 where the settings turn it off."""
    if not service_of(request).settings.metrics:
        raise Problem(ErrorCode.NOT_FOUND)
    return metrics.exposition()


@cache
def _revision() -> str:
    return code_revision()


def _checkpoints(request: Request) -> dict[str, AnyCheckpoint]:
    pipeline = service_of(request).pipeline
    return pipeline.explainer.checkpoints if pipeline is not None else {}
