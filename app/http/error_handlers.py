"""Every error of the application as an answer: a problem, or a page for a visitor who mistyped an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.errors import ErrorCode, Problem, not_installed, problem_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

_FROM_STATUS = {
    400: ErrorCode.MALFORMED_REQUEST,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    413: ErrorCode.BODY_TOO_LARGE,
    415: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    422: ErrorCode.INVALID_PARAMETER,
}

# kinds of failure whose message is made of the declaration alone: bounds, choices, types
_DECLARATIONS = frozenset(
    {"enum", "missing", "int_parsing", "float_parsing", "finite_number", "greater_than_equal", "less_than_equal", "string_too_long"}
)


def install_error_handlers(app: FastAPI, page: Callable[[Request, Problem], Response]) -> None:
    """Answer every error of the application, foreseen or not, as a problem.

    Args:
        page: draws a problem for a visitor who mistyped the address of a page.
    """

    async def on_problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return problem_response(error, request.scope)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        problem = _from_http(error)
        if problem.code is ErrorCode.NOT_FOUND and asks_for_a_page(request):
            return page(request, problem)
        return problem_response(problem, request.scope)

    async def on_validation(request: Request, error: Exception) -> Response:
        # what failed is in the exception together with what the client sent; only what we declared ourselves is repeated
        assert isinstance(error, RequestValidationError)
        pointer = _declared_place(error)
        problem = Problem(ErrorCode.INVALID_PARAMETER, _declared_rule(error, pointer), pointer)
        return page(request, problem) if asks_for_a_page(request) else problem_response(problem, request.scope)

    async def on_missing_package(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ModuleNotFoundError)
        return problem_response(not_installed(error), request.scope)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(ModuleNotFoundError, on_missing_package)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)


def _from_http(error: HTTPException) -> Problem:
    """A framework error as a problem; its text is dropped, since it may quote the request."""
    code = _FROM_STATUS.get(error.status_code, ErrorCode.INTERNAL_ERROR if error.status_code >= 500 else ErrorCode.MALFORMED_REQUEST)
    allow = {name: _with_head(value) for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    return Problem(code, headers=allow)


def _with_head(methods: str) -> str:
    """The methods of a route, and HEAD where GET is one: :mod:`app.http.head_requests` answers it, of which routes do not know."""
    allowed = set(methods.split(", "))
    return ", ".join(sorted(allowed | {"HEAD"} if "GET" in allowed else allowed))


def asks_for_a_page(request: Request) -> bool:
    """Whether a browser wants to show the answer, rather than a program to read it."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(("/api/", "/health/", "/static/"))


def _declared_rule(error: RequestValidationError, pointer: str | None) -> str | None:
    """What a declared parameter must be; None where the framework's message may quote the request."""
    first = error.errors()[0]
    if pointer is None or first["type"] not in _DECLARATIONS:
        return None
    return f"{first['loc'][1]}: {first['msg']}."


def _declared_place(error: RequestValidationError) -> str | None:
    """``/query/faces`` for a declared parameter; None where the place may hold a name the client chose."""
    first = error.errors()[0]
    place = first["loc"]
    if first["type"] == "extra_forbidden" or len(place) < 2 or place[0] not in {"query", "path"}:
        return None
    return f"/{place[0]}/{place[1]}"
