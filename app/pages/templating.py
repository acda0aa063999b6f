"""What all pages share: templates, addresses of static files, and problems shown as pages."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from fastapi.templating import Jinja2Templates
from starlette.responses import Response

from app.errors import Problem, problem_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request

_ROOT = Path(__file__).resolve().parents[2]
STATIC = _ROOT / "static"

templates = Jinja2Templates(directory=_ROOT / "templates")
templates.env.trim_blocks = templates.env.lstrip_blocks = True


@cache
def asset(path: str) -> str:
    """Address of a static file with its fingerprint, so that browsers may keep the file for good."""
    fingerprint = hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]
    return f"/static/{path}?v={fingerprint}"


templates.env.globals["asset"] = asset


def render(request: Request, template: str, context: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A page; ``section`` in the context marks the entry of the navigation."""
    return templates.TemplateResponse(request, template, context, status_code=status, headers=headers)


class PageRoute(APIRoute):
    """A route whose problems are answered as a page, with the problem's status and headers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with problems caught."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except Problem as problem:
                return problem_page(request, problem)

        return handle


def problem_page(request: Request, problem: Problem) -> Response:
    """A problem as a page; its code is noted for the access log as for any other problem."""
    request.scope.setdefault("state", {})["error_code"] = problem.code
    context = {"section": "", "title": problem.code.summary, "detail": problem.detail, "code": str(problem.code)}
    return render(request, "problem.html", context, problem.code.status, problem_headers(problem))
