"""The page that explains many pictures at once; its script asks the API for each of them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.choices import FigureFormat
from app.explaining.sentences import WARNING_TEXTS
from app.pages.templating import PageRoute, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/tray")
async def tray(request: Request) -> Response:
    """The form; nothing of the pictures is kept, as anywhere."""
    return render(request, "tray.html", {"section": "/tray", "formats": list(FigureFormat), "warning_texts": WARNING_TEXTS})
