"""Every way a request can fail: one closed list of codes, answered as ``application/problem+json`` (RFC 9457).

A problem's ``detail`` is written by us and may hold numbers and limits, never a string the client sent. What keeps the service from
starting has an error of its own.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import JSONResponse

from app.installation import install_command

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Scope

MEDIA_TYPE = "application/problem+json"

logger = logging.getLogger("app.errors")


class ErrorCode(StrEnum):
    """The stable codes; an HTTP :attr:`status` belongs to each."""

    MALFORMED_REQUEST = "malformed_request"
    MALFORMED_MULTIPART = "malformed_multipart"
    TOO_MANY_PARTS = "too_many_parts"
    INVALID_HOST = "invalid_host"
    UNAUTHORIZED = "unauthorized"
    CROSS_SITE = "cross_site"
    NOT_FOUND = "not_found"
    SAMPLE_NOT_FOUND = "sample_not_found"
    MODEL_NOT_FOUND = "model_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UPLOAD_TIMEOUT = "upload_timeout"
    BODY_TOO_LARGE = "body_too_large"
    URI_TOO_LONG = "uri_too_long"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    UNSUPPORTED_IMAGE_FORMAT = "unsupported_image_format"
    MISSING_FIELD = "missing_field"
    NOT_A_FILE = "not_a_file"
    EMPTY_UPLOAD = "empty_upload"
    DUPLICATE_FIELD = "duplicate_field"
    UNEXPECTED_FIELD = "unexpected_field"
    INVALID_PARAMETER = "invalid_parameter"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED_IMAGE = "truncated_image"
    CORRUPT_IMAGE = "corrupt_image"
    TOO_MANY_PIXELS = "too_many_pixels"
    IMAGE_TOO_COMPLEX = "image_too_complex"
    ANIMATED_IMAGE = "animated_image"
    IMAGE_TOO_SMALL = "image_too_small"
    BAD_ASPECT_RATIO = "bad_aspect_ratio"
    NO_FACE = "no_face"
    RATE_LIMITED = "rate_limited"
    HEADERS_TOO_LARGE = "headers_too_large"
    INTERNAL_ERROR = "internal_error"
    NON_FINITE_OUTPUT = "non_finite_output"
    NOT_INSTALLED = "not_installed"
    NOT_READY = "not_ready"
    OVERLOADED = "overloaded"
    DECODER_FAILED = "decoder_failed"
    SHUTTING_DOWN = "shutting_down"
    INFERENCE_TIMEOUT = "inference_timeout"

    @property
    def status(self) -> int:
        """HTTP status the code is always answered with."""
        return _KINDS[self].status

    @property
    def summary(self) -> str:
        """The problem's ``title``: a few English words, the same for every occurrence."""
        return _KINDS[self].summary

    @property
    def advice(self) -> str:
        """The problem's ``detail`` where the raiser gives none of its own."""
        return _KINDS[self].advice


class _Kind(NamedTuple):
    status: int
    summary: str
    advice: str


_KINDS = {
    ErrorCode.MALFORMED_REQUEST: _Kind(400, "Malformed request", "The request is not valid HTTP."),
    ErrorCode.MALFORMED_MULTIPART: _Kind(400, "Malformed form", "The body is not a valid multipart form."),
    ErrorCode.TOO_MANY_PARTS: _Kind(400, "Too many form parts", "The form has more parts than this service reads."),
    ErrorCode.INVALID_HOST: _Kind(400, "Unknown host", "This service answers only for the hosts that UNTURNED_ALLOWED_HOSTS names."),
    ErrorCode.UNAUTHORIZED: _Kind(401, "API key required", "Send the API key as bearer token, or as the password of basic authentication."),
    ErrorCode.CROSS_SITE: _Kind(403, "Cross-site request refused", "Browsers may send forms only from pages of this service."),
    ErrorCode.NOT_FOUND: _Kind(404, "Not found", "There is nothing at this address."),
    ErrorCode.SAMPLE_NOT_FOUND: _Kind(404, "No such sample", "There is no sample with this name."),
    ErrorCode.MODEL_NOT_FOUND: _Kind(404, "No such model", "GET /api/v1/models lists the models."),
    ErrorCode.METHOD_NOT_ALLOWED: _Kind(405, "Method not allowed", "The header Allow lists the methods of this address."),
    ErrorCode.UPLOAD_TIMEOUT: _Kind(408, "Upload took too long", "The body did not arrive in time."),
    ErrorCode.BODY_TOO_LARGE: _Kind(413, "Body too large", "Send a smaller file."),
    ErrorCode.URI_TOO_LONG: _Kind(414, "Address too long", "The address is longer than this service reads."),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: _Kind(415, "Unsupported media type", "Send the picture as multipart/form-data in the field 'image'."),
    ErrorCode.UNSUPPORTED_IMAGE_FORMAT: _Kind(415, "Unsupported picture format", "Export the picture as JPEG, PNG or WebP."),
    ErrorCode.MISSING_FIELD: _Kind(422, "Picture missing", "The form has no field 'image'."),
    ErrorCode.NOT_A_FILE: _Kind(422, "Not a file", "The field 'image' must be a file with a file name."),
    ErrorCode.EMPTY_UPLOAD: _Kind(422, "Empty file", "The file has no bytes."),
    ErrorCode.DUPLICATE_FIELD: _Kind(422, "Field sent twice", "Send the field 'image' once."),
    ErrorCode.UNEXPECTED_FIELD: _Kind(422, "Unexpected field", "The form has a field this service does not know."),
    ErrorCode.INVALID_PARAMETER: _Kind(422, "Invalid parameter", "A parameter is missing, unknown, repeated or out of range."),
    ErrorCode.NOT_AN_IMAGE: _Kind(422, "Not a picture", "The file is not a picture."),
    ErrorCode.TRUNCATED_IMAGE: _Kind(422, "Truncated picture", "The picture ends before its data does."),
    ErrorCode.CORRUPT_IMAGE: _Kind(422, "Corrupt picture", "The picture's data are damaged."),
    ErrorCode.TOO_MANY_PIXELS: _Kind(422, "Too many pixels", "Send a smaller picture."),
    ErrorCode.IMAGE_TOO_COMPLEX: _Kind(422, "Picture too complex", "Decoding would cost too much; export it as a baseline JPEG."),
    ErrorCode.ANIMATED_IMAGE: _Kind(422, "Animated picture", "Send a single still picture."),
    ErrorCode.IMAGE_TOO_SMALL: _Kind(422, "Picture too small", "Both sides must have at least 32 pixels."),
    ErrorCode.BAD_ASPECT_RATIO: _Kind(422, "Picture too long and thin", "One side is more than 20 times the other."),
    ErrorCode.NO_FACE: _Kind(422, "No face found", "No face was found; if the whole picture is one face, ask for the crop 'whole'."),
    ErrorCode.RATE_LIMITED: _Kind(429, "Too many requests", "Wait before sending more requests."),
    ErrorCode.HEADERS_TOO_LARGE: _Kind(431, "Headers too large", "The request's headers are larger than this service reads."),
    ErrorCode.INTERNAL_ERROR: _Kind(500, "Internal error", "The request failed through a fault of this service."),
    ErrorCode.NON_FINITE_OUTPUT: _Kind(500, "Non-finite result", "A model gave a number that is not finite."),
    ErrorCode.NOT_INSTALLED: _Kind(501, "Not installed", "This server is installed without what that needs."),
    ErrorCode.NOT_READY: _Kind(503, "Not ready", "The models are still loading, or do not answer in time; try again soon."),
    ErrorCode.OVERLOADED: _Kind(503, "Overloaded", "All places are taken; try again soon."),
    ErrorCode.DECODER_FAILED: _Kind(503, "Decoder failed", "The picture decoder stopped on this picture; it has been replaced."),
    ErrorCode.SHUTTING_DOWN: _Kind(503, "Shutting down", "The service is stopping; try again soon."),
    ErrorCode.INFERENCE_TIMEOUT: _Kind(504, "Computation took too long", "The models did not answer in time; try again later."),
}

_RETRY_AFTER_SECONDS = {  # not where the picture itself is at fault, most likely: asked again, it would cost another decoder
    ErrorCode.NOT_READY: 5,
    ErrorCode.OVERLOADED: 1,
    ErrorCode.SHUTTING_DOWN: 10,
    ErrorCode.RATE_LIMITED: 1,
}


class CannotStartError(Exception):
    """The models, the detector or the decoder cannot be started; the message is one line."""


class Problem(Exception):
    """A request that fails in a known way; the application answers it as ``application/problem+json``.

    Args:
        code: which way.
        detail: a sentence of ours for this occurrence; numbers and limits may be in it, never what the client sent.
        pointer: JSON pointer or query name of the offending field, from our own fixed names, e.g. ``/image``.
        headers: more response headers, e.g. ``Allow``.
    """

    def __init__(
        self, code: ErrorCode, detail: str | None = None, pointer: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.code = code
        self.detail = detail or code.advice
        super().__init__(f"{code}: {self.detail}")
        self.pointer = pointer
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[type[Problem], tuple[ErrorCode, str, str | None, dict[str, str]]]:
        """As its arguments, not its text, so that it comes out of another process whole."""
        return type(self), (self.code, self.detail, self.pointer, self.headers)


def problem_headers(problem: Problem) -> dict[str, str]:
    """Response headers of a problem: its own, and those its code asks for."""
    headers = {"Cache-Control": "no-store", **problem.headers}
    if problem.code in _RETRY_AFTER_SECONDS:
        headers.setdefault("Retry-After", str(_RETRY_AFTER_SECONDS[problem.code]))
    if problem.code.status in {408, 503}:
        headers["Connection"] = "close"
    if problem.code is ErrorCode.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer, Basic realm="unturned"'
    return headers


def problem_body(problem: Problem, request_id: str) -> dict[str, object]:
    """The RFC 9457 object of a problem."""
    body: dict[str, object] = {
        "type": f"/problems/{problem.code}",
        "title": problem.code.summary,
        "status": problem.code.status,
        "detail": problem.detail,
        "code": str(problem.code),
        "request_id": request_id,
    }
    if problem.pointer is not None:
        body["pointer"] = problem.pointer
    return body


def problem_response(problem: Problem, scope: Scope) -> JSONResponse:
    """The answer to a problem; notes the code in ``scope["state"]["error_code"]`` for the access log and the metrics."""
    state = scope.setdefault("state", {})
    state["error_code"] = problem.code
    return JSONResponse(
        problem_body(problem, state.get("request_id", "")), problem.code.status, problem_headers(problem), media_type=MEDIA_TYPE
    )


def not_installed(error: ModuleNotFoundError) -> Problem:
    """The problem of what needs an optional package; the error itself is raised again where the missing package is none."""
    command = install_command(error)
    if command is None:
        raise error
    return Problem(ErrorCode.NOT_INSTALLED, f"This server is installed without what that needs; its operator can add it: {command}")


def unusable_file(error: Exception, folder: Path, told: str, remedy: str) -> Problem:
    """The problem of a page whose file is damaged, logged with its reason; ``error`` is one line, ``file: reason``.

    Args:
        folder: the file's, which is for the operator to know and not for visitors.
        told: one sentence on what the page cannot show.
        remedy: one sentence on what mends it.
    """
    logger.error(told, exc_info=error, extra={"fields": {"reason": str(error)}})
    return Problem(ErrorCode.INTERNAL_ERROR, f"{told} {str(error).removeprefix(f'{folder}/')}. {remedy}")
