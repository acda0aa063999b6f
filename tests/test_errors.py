"""The closed list of error codes, the same everywhere it is written down."""

from __future__ import annotations

import pickle
import re

import pytest
from fastapi import FastAPI

from app.api.health import router as health_router
from app.api.openapi import describe
from app.errors import ErrorCode, Problem, problem_body, problem_headers
from tests.live_server import ROOT

# What clients were promised: written out here so that no code can change its status or vanish unnoticed.
PROMISED = {
    400: "malformed_request malformed_multipart too_many_parts invalid_host",
    401: "unauthorized",
    403: "cross_site",
    404: "not_found sample_not_found model_not_found",
    405: "method_not_allowed",
    408: "upload_timeout",
    413: "body_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type unsupported_image_format",
    422: "missing_field not_a_file empty_upload duplicate_field unexpected_field invalid_parameter not_an_image truncated_image "
    "corrupt_image too_many_pixels image_too_complex animated_image image_too_small bad_aspect_ratio no_face",
    429: "rate_limited",
    431: "headers_too_large",
    500: "internal_error non_finite_output",
    501: "not_installed",
    503: "not_ready overloaded decoder_failed shutting_down",
    504: "inference_timeout",
}
CODES = {(code, status) for status, codes in PROMISED.items() for code in codes.split()}


def test_enumeration() -> None:
    assert {(code.value, code.status) for code in ErrorCode} == CODES


def test_openapi_document() -> None:
    application = FastAPI()
    application.include_router(health_router)
    problem = describe(application)["components"]["schemas"]["Problem"]
    assert set(problem["properties"]["code"]["enum"]) == {code for code, _ in CODES}
    assert set(problem["properties"]["status"]["enum"]) == set(PROMISED)


def test_documentation() -> None:
    table = (ROOT / "docs" / "service.md").read_text().partition("## Error codes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", table, re.MULTILINE)
    assert {(code, int(status)) for status, code in rows} == CODES
    assert len(rows) == len(CODES)


@pytest.mark.parametrize("code", ErrorCode)
def test_headers(code: ErrorCode) -> None:
    headers = problem_headers(Problem(code))
    assert headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in headers) == (code.status in {429, 503} and code is not ErrorCode.DECODER_FAILED)  # that is the picture's fault
    assert (headers.get("Connection") == "close") == (code.status in {408, 503})


def test_body() -> None:
    problem = Problem(ErrorCode.TOO_MANY_PIXELS, "More than 25 Mpx.", "/image")
    assert problem_body(problem, "abc") == {
        "type": "/problems/too_many_pixels",
        "title": "Too many pixels",
        "status": 422,
        "detail": "More than 25 Mpx.",
        "code": "too_many_pixels",
        "request_id": "abc",
        "pointer": "/image",
    }
    assert "pointer" not in problem_body(Problem(ErrorCode.NO_FACE), "abc")


def test_a_problem_comes_out_of_another_process_whole() -> None:
    """A pool of processes waits for ever for an error that cannot be read."""
    problem = Problem(ErrorCode.METHOD_NOT_ALLOWED, "Ask with GET.", "/query", {"Allow": "GET"})
    received = pickle.loads(pickle.dumps(problem))
    assert vars(received) == vars(problem) and str(received) == str(problem) == "method_not_allowed: Ask with GET."
