"""What browsers and crawlers ask every site for, at addresses that are not ours to choose."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from app.pages.templating import STATIC

router = APIRouter(include_in_schema=False)

# each of these pages is computed for the one who asks
ROBOTS = """User-agent: *
Disallow: /api/
Disallow: /audit
Disallow: /faces
Disallow: /samples/
Disallow: /supplement
"""
_ICON = (STATIC / "icons" / "favicon.svg").read_bytes()
_KEPT_A_DAY = {"Cache-Control": "public, max-age=86400"}


@router.get("/robots.txt")
async def robots() -> Response:
    """What crawlers should leave alone."""
    return PlainTextResponse(ROBOTS, headers=_KEPT_A_DAY)


@router.get("/favicon.ico")
async def favicon() -> Response:
    """The icon that the pages name, for who asks for it without reading them."""
    return Response(_ICON, media_type="image/svg+xml", headers=_KEPT_A_DAY)
