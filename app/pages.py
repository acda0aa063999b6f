"""The explorer's page, the page about it, and the router of all pages."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app import claims_page, face_pages, report_pages
from app.templating import STATIC, PageRoute, render
from model.expressions import EXPRESSIONS, MINOR_CLASSES

# the explorer may ask for the webcam, no other page may
_EXPLORER_HEADERS = {"Permissions-Policy": "camera=(self), microphone=(), geolocation=()"}

router = APIRouter(include_in_schema=False, route_class=PageRoute)
router.include_router(claims_page.router)
router.include_router(report_pages.router)
router.include_router(face_pages.router)


@cache
def sample_index() -> dict[str, dict[str, str]]:
    """The gallery by id: file, title, alt, credit and licence of each picture."""
    return {sample["id"]: sample for sample in json.loads((STATIC / "samples" / "index.json").read_bytes())}


@router.get("/")
async def explorer(request: Request) -> Response:
    """The explorer."""
    return render(request, "explorer.html", explorer_context(request) | {"live": True}, headers=_EXPLORER_HEADERS)


def explorer_context(request: Request) -> dict[str, Any]:
    """What the entry of the explorer needs."""
    return {
        "section": "/",
        "samples": list(sample_index().values()),
        "dataset": request.app.state.settings.datasets is not None,
        "expressions": EXPRESSIONS,
        "methods": METHODS,
    }


METHODS = [("cam", "CAM (exact)"), ("gradcam", "Grad-CAM"), ("gradcam++", "Grad-CAM++"), ("layercam", "Layer-CAM")]


@router.get("/explorer/colour-maps.json")
async def colour_maps() -> Response:
    """The colour tables of the renderer, 256 colours each as hex, so that browser and server draw alike."""
    from app.rendering import ColourMap, colour_table

    return JSONResponse({str(colour_map): colour_table(colour_map).tobytes().hex() for colour_map in ColourMap})


@router.get("/about")
async def about(request: Request) -> Response:
    """How to read the maps, how the models were trained, where the samples come from."""
    from model.paper import paper_tables

    ferplus = next(table for table in paper_tables().count_tables if table.dataset == "ferplus")
    counts = dict(zip(ferplus.classes, ferplus.rows[0].counts, strict=True))
    context = {"section": "/about", "samples": list(sample_index().values()), "counts": counts, "minor_classes": MINOR_CLASSES}
    return render(request, "about.html", context)
