"""The supplement's figures as a page, where the settings name the folder of the data set; the faces are chosen on the first visit."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.choices import FIGURE_MEDIA_TYPES, FigureFormat
from app.errors import ErrorCode, Problem
from app.explaining.service import service_of
from app.pages.dataset_faces import face_browser
from app.pages.state import PageState, page_state
from app.pages.supplement_figures import Supplement
from app.pages.templating import PageRoute, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/supplement")
async def supplement(request: Request) -> Response:
    """The five figures with the rule that chose their faces; while they are being chosen, how far that is."""
    service_of(request).loaded_pipeline()
    from app.drawing.supplement import RULE

    chosen = await _supplement(request)
    figures = [(figure.stem, figure.explained.faces[0].caption) for figure in chosen.figures or []]
    waiting = None if chosen.figures is not None else round(100 * chosen.progress)
    context = {"section": "/supplement", "rule": RULE, "figures": figures, "waiting": waiting, "formats": list(FigureFormat)}
    return render(request, "supplement.html", context, headers=None if waiting is None else {"Refresh": "3"})


@router.get("/supplement/{stem}.{file_format}")
async def figure(request: Request, stem: Annotated[str, Path(pattern="^[a-z0-9-]{1,64}$")], file_format: FigureFormat) -> Response:
    """One of the figures."""
    chosen = await _supplement(request)
    found = [figure for figure in chosen.figures or [] if figure.stem == stem]
    if not found:
        raise Problem(ErrorCode.SAMPLE_NOT_FOUND)
    data = await chosen.file_of(found[0], file_format, service_of(request).drawer)
    headers = {"Content-Disposition": f'inline; filename="{stem}.{file_format}"'}
    return Response(data, media_type=FIGURE_MEDIA_TYPES[file_format], headers=headers)


async def _supplement(request: Request) -> Supplement:
    """The figures for the models now served; begins to choose the faces where that has not begun, or has failed."""
    browser = await face_browser(request)
    pipeline, state = service_of(request).loaded_pipeline(), page_state(request)
    kept = state.supplement
    if kept is None or not kept.is_of(pipeline.explainer):
        state.supplement = kept = Supplement(pipeline.explainer)
        task = asyncio.ensure_future(kept.choose(pipeline.explainer, browser.faces, pipeline.executor))
        state.tasks.add(task)
        task.add_done_callback(partial(_forget_failure, state, kept))
    return kept


def _forget_failure(state: PageState, failed: Supplement, task: asyncio.Future[None]) -> None:
    """Let the next visit try again."""
    state.tasks.discard(task)
    if (task.cancelled() or task.exception() is not None) and state.supplement is failed:
        state.supplement = None
