"""The OpenAPI document, with every error code where it can occur."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from app.errors import MEDIA_TYPE, ErrorCode
from app.http.limits import UPLOAD_PATHS

if TYPE_CHECKING:
    from fastapi import FastAPI

_ANYWHERE = (
    ErrorCode.MALFORMED_REQUEST,
    ErrorCode.INVALID_HOST,
    ErrorCode.UNAUTHORIZED,
    ErrorCode.NOT_FOUND,
    ErrorCode.METHOD_NOT_ALLOWED,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.URI_TOO_LONG,
    ErrorCode.INVALID_PARAMETER,
    ErrorCode.HEADERS_TOO_LARGE,
    ErrorCode.INTERNAL_ERROR,
)
_NOT_TO_PROBES = frozenset({ErrorCode.INVALID_HOST, ErrorCode.UNAUTHORIZED})
_NAMED = {"/models/": ErrorCode.MODEL_NOT_FOUND, "/samples/": ErrorCode.SAMPLE_NOT_FOUND}
_NEEDS_MODELS = "/api/v1/models"


def install_openapi(app: FastAPI, asks_for_key: bool) -> None:
    """Make the application describe its errors, and whether it asks for a key, as it answers them."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = describe(app)
            if asks_for_key:
                _ask_for_key(document)
            app.openapi_schema = document  # only when it is whole: the thread that loads the models makes it, too
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an application as a JSON object."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, license_info=app.license_info
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _problem_schema()
    for path, operations in document["paths"].items():
        codes = _codes(path)
        for operation in operations.values():
            operation["responses"].pop("422", None)
            for status in sorted({code.status for code in codes}):
                _add_response(operation["responses"], status, [code for code in codes if code.status == status])
    return document


def _ask_for_key(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values() if "/health/" not in path else ():
            operation["security"] = [{"key": []}]


def _codes(path: str) -> list[ErrorCode]:
    if path in UPLOAD_PATHS:
        return [code for code in ErrorCode if code not in _NAMED.values()]
    named = [code for part, code in _NAMED.items() if part in path]
    named += [ErrorCode.NOT_READY] if path.startswith(_NEEDS_MODELS) else []
    anywhere = [code for code in _ANYWHERE if code not in _NOT_TO_PROBES or "/health/" not in path]
    return [code for code in ErrorCode if code in anywhere or code in named]


def _add_response(responses: dict[str, Any], status: int, codes: list[ErrorCode]) -> None:
    response = responses.setdefault(str(status), {"description": ""})
    text = "; ".join(f"`{code}`: {code.summary}" for code in codes)
    response["description"] = f"{response['description']} {text}".strip()
    response.setdefault("content", {})[MEDIA_TYPE] = {"schema": {"$ref": "#/components/schemas/Problem"}}


def _problem_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "title": "Problem",
        "description": "RFC 9457 problem details; `code` is stable and says which of the service's error codes it is.",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "additionalProperties": False,
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "enum": sorted({code.status for code in ErrorCode})},
            "detail": {"type": "string"},
            "code": {"type": "string", "enum": [code.value for code in ErrorCode]},
            "request_id": {"type": "string"},
            "pointer": {"type": "string", "description": "The field at fault."},
        },
    }
