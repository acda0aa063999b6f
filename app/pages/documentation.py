"""The page of the REST API: Swagger UI on this service's own document, all of its files served from here."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.http.security import DOCUMENTATION_POLICY
from app.pages.templating import PageRoute, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/docs")
async def documentation(request: Request) -> Response:
    """Swagger UI, under a policy that allows the style attributes it sets."""
    return render(request, "documentation.html", {"section": "/docs"}, headers={"Content-Security-Policy": DOCUMENTATION_POLICY})
