"""Pages of the FERPlus test faces; there are none unless the settings name the folder of the data set. Faces are sent with no-store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from app.choices import COMPARED
from app.errors import ErrorCode, Problem, not_installed, unusable_file
from app.explaining.service import service_of
from app.installation import is_installed
from app.pages.face_number import INDEX
from app.pages.state import FaceReading, page_state
from app.pages.templating import PageRoute, render
from model.errors import InputError
from model.expressions import EXPRESSIONS, MINOR_CLASSES

if TYPE_CHECKING:
    from pathlib import Path

    from app.explaining.explainer import Explainer
    from app.pages.face_browser import FaceBrowser
    from app.settings import Settings
    from model.importing.metadata import AnyCheckpoint

router = APIRouter(include_in_schema=False, route_class=PageRoute)
data_router = APIRouter(include_in_schema=False)  # what the page's script fetches: it reads problems as JSON

OUTCOMES = {
    "any": "any",
    "second": "baseline wrong, ours right",
    "first": "baseline right, ours wrong",
    "neither": "both wrong",
}


@router.get("/faces")
async def faces(
    request: Request,
    label: Annotated[str, Query()] = "",
    seen: Annotated[str, Query()] = "",
    outcome: Annotated[str, Query()] = "any",
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> Response:
    """The test faces that meet the filters, a page of them."""
    explainer = service_of(request).loaded_pipeline().explainer
    from app.pages.face_browser import PAGE_FACES, Wanted, WhoIsRight

    if label not in ("", *EXPRESSIONS) or seen not in ("", *MINOR_CLASSES) or outcome not in OUTCOMES:
        raise Problem(ErrorCode.INVALID_PARAMETER)
    browser = await face_browser(request)
    first, second = _compared(explainer)
    wanted = Wanted(label or None, seen or None, WhoIsRight(outcome))
    waiting = None
    if wanted.outcome is not WhoIsRight.ANY:
        waiting = _let_models_see(request, browser, explainer, (first, second))
    found = browser.find(wanted, first, second)
    start = (page - 1) * PAGE_FACES
    shown = [_entry(browser, index, first, second) for index in found[start : start + PAGE_FACES]]
    context = {
        "section": "/faces",
        "faces": shown,
        "found": len(found),
        "all": len(browser),
        "page": page,
        "pages": max(1, -(-len(found) // PAGE_FACES)),
        "waiting": waiting,
        "chosen": {"label": label, "seen": seen, "outcome": outcome},
        "expressions": EXPRESSIONS,
        "minor_classes": MINOR_CLASSES,
        "outcomes": OUTCOMES,
    }
    headers = {"Refresh": "3"} if waiting is not None else None
    return render(request, "faces.html", context, headers=headers)


@router.get(f"/faces/{INDEX}.png")
async def face_picture(request: Request, index: int) -> Response:
    """One test face."""
    browser = await face_browser(request)
    return Response(browser.picture(checked_index(browser, index)), media_type="image/png")


@data_router.get(f"/faces/{INDEX}.json")
async def face_facts(request: Request, index: int) -> Response:
    """What the annotators saw in one test face."""
    browser = await face_browser(request)
    return JSONResponse({"label": browser.label(checked_index(browser, index)), "votes": browser.votes(index)})


def shows_faces(settings: Settings) -> bool:
    """Whether pages may link to the test faces: the settings name the data set, and PyTorch, which reads it, is there."""
    return settings.datasets is not None and is_installed("torch")


async def face_browser(request: Request) -> FaceBrowser:
    """The test faces, read on first use and then kept; a file that failed is read again once it has changed.

    Raises:
        Problem: ``not_found`` where the settings name no data set, ``internal_error`` where it cannot be used, ``not_installed`` without
            PyTorch.
    """
    folder, state = service_of(request).settings.datasets, page_state(request)
    if folder is None:
        raise Problem(ErrorCode.NOT_FOUND, "This server has no data set; UNTURNED_DATASETS names its folder.")
    if not is_installed("torch"):  # told at once: the archive would be read first
        raise not_installed(ModuleNotFoundError(name="torch"))
    stamp = _stamp(folder / "ferplus.zip")
    reading = state.faces
    if reading is None or (reading.failed and reading.stamp != stamp):
        state.faces = reading = FaceReading(stamp, asyncio.ensure_future(asyncio.to_thread(_load, folder)))
    try:
        return await asyncio.shield(reading.browser)
    except InputError as error:
        remedy = "The operator must mend the data set that UNTURNED_DATASETS names."
        raise unusable_file(error, folder, "The test faces cannot be read.", remedy) from error


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _load(folder: Path) -> FaceBrowser:
    from app.pages.face_browser import FaceBrowser

    return FaceBrowser.load(folder)


def checked_index(browser: FaceBrowser, index: int) -> int:
    """The index of a face there is.

    Raises:
        Problem: ``sample_not_found``.
    """
    if not 0 <= index < len(browser):
        raise Problem(ErrorCode.SAMPLE_NOT_FOUND)
    return index


def _compared(explainer: Explainer) -> tuple[AnyCheckpoint, AnyCheckpoint]:
    baseline, ours = (explainer.checkpoint(name) for name in COMPARED)
    return baseline, ours


def _let_models_see(
    request: Request, browser: FaceBrowser, explainer: Explainer, checkpoints: tuple[AnyCheckpoint, AnyCheckpoint]
) -> int | None:
    """Start what is missing; the share done so far in per cent, None when all is known."""
    executor, tasks = service_of(request).executor, page_state(request).tasks
    done = min(browser.progress(checkpoint) for checkpoint in checkpoints)
    if done == 1.0:
        return None
    for checkpoint in checkpoints:
        task = asyncio.ensure_future(browser.predict(checkpoint, explainer.predictors[checkpoint.name], executor))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    return round(50 * sum(browser.progress(checkpoint) for checkpoint in checkpoints))


def _entry(browser: FaceBrowser, index: int, first: AnyCheckpoint, second: AnyCheckpoint) -> dict[str, Any]:
    return {
        "index": index,
        "label": browser.label(index),
        "votes": ", ".join(f"{name} {count}" for name, count in browser.votes(index).items()),
        "first": browser.prediction(index, first),
        "second": browser.prediction(index, second),
    }


router.include_router(data_router)
