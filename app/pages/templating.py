"""What all pages share: templates, addresses of static files, and problems shown as pages."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from fastapi.templating import Jinja2Templates
from starlette.responses import Response

from app.errors import Problem, problem_headers
from app.explaining.service import service_of
from app.http.assets import fingerprint, folder_files
from app.http.bundles import bundles
from app.installation import extra_command, is_installed, shipped_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request

STATIC = shipped_folder("static")

templates = Jinja2Templates(directory=shipped_folder("templates"))
templates.env.trim_blocks = templates.env.lstrip_blocks = True


@cache
def asset(path: str) -> str:
    """Address of a static file, so that browsers may keep it for good: it holds the fingerprint of all static files.

    As a folder, so that what a file names relative to itself, as a script's imports do, has it, too.
    """
    if path not in static_files():
        raise FileNotFoundError(path)
    return f"/static/{static_fingerprint()}/{path}"


@cache
def static_fingerprint() -> str:
    """Fingerprint of all static files, their names included."""
    return fingerprint(static_files())


@cache
def static_files() -> dict[str, bytes]:
    """What is served below ``/static``, by path: the folder's files, and the bundles made of them."""
    return folder_files(STATIC) | bundles(STATIC)


templates.env.globals["asset"] = asset
# what adds that which needs PyTorch, where it is not there: the pages show it greyed
templates.env.globals["torch_command"] = None if is_installed("torch") else extra_command("torch")


def render(request: Request, template: str, context: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A page; ``section`` in the context marks the entry of the navigation. Every template also knows the ``settings``."""
    context = {"settings": service_of(request).settings} | context
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
    context = {"section": "", "title": problem.code.summary, "detail": problem.detail}
    return render(request, "problem.html", context, problem.code.status, problem_headers(problem))
