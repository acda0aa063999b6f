"""The pages: the explorer, its form of life without JavaScript, and what is shared by all pages (templates, static addresses)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.templating import Jinja2Templates
from starlette.responses import JSONResponse, Response

from app.errors import ErrorCode, Problem
from app.rendering import ColourMap, colour_table
from model.expressions import EXPRESSIONS

_ROOT = Path(__file__).resolve().parent.parent
SAMPLES = _ROOT / "static" / "samples"
# the explorer may ask for the webcam, no other page may
_EXPLORER_HEADERS = {"Permissions-Policy": "camera=(self), microphone=(), geolocation=()"}

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(directory=_ROOT / "templates")
templates.env.globals["asset"] = lambda path: f"/static/{path}"
templates.env.trim_blocks = templates.env.lstrip_blocks = True


@cache
def sample_index() -> dict[str, dict[str, str]]:
    """The gallery by id: file, title, alt, credit and licence of each picture."""
    return {sample["id"]: sample for sample in json.loads((SAMPLES / "index.json").read_bytes())}


def render(request: Request, template: str, context: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A page; ``section`` in the context marks the entry of the navigation."""
    return templates.TemplateResponse(request, template, context, status_code=status, headers=headers)


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
    return JSONResponse({str(colour_map): colour_table(colour_map).tobytes().hex() for colour_map in ColourMap})


@router.get("/about")
async def about(request: Request) -> Response:
    """How to read the maps, how the models were trained, where the samples come from."""
    return render(request, "about.html", {"section": "/about", "samples": list(sample_index().values())})
