"""Strict reading of an upload: one picture in a multipart form, kept in memory, and query parameters that mean exactly one thing.

File names, declared types and unknown names are read past, never decoded, stored or repeated: what a file is, its bytes decide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi.routing import APIRoute
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from app.errors import ErrorCode, Problem

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

IMAGE_FIELD = "image"
MAX_PARTS = 8
MAX_PART_HEADERS = 8
MAX_PART_HEADER_BYTES = 4224


async def read_upload(request: Request) -> bytes:
    """The picture of a multipart form with one file, ``image``.

    Args:
        request: its body must not have been read.

    Raises:
        Problem: with the code of the first fault found.
    """
    form = _Form(_boundary(request))
    try:
        async for chunk in request.stream():
            form.write(chunk)
        return form.finish()
    finally:
        form.close()


async def strict_query(request: Request) -> None:
    """Dependency of every route: refuse query parameters that it does not have, and any sent twice.

    A page without parameters takes no notice of what others have put behind its address, as senders of links do.

    A coroutine, because the framework runs any other dependency in a thread of its pool, which may have none free.

    Raises:
        Problem: ``invalid_parameter``.
    """
    route = request.scope.get("route")
    assert isinstance(route, APIRoute)
    operation = request.app.openapi()["paths"].get(route.path_format, {}).get(request.method.lower())
    if operation is None:  # a page's
        declared = {parameter.alias for parameter in route.dependant.query_params}
        if not declared:
            return
    else:
        declared = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
    sent = [name for name, _ in request.query_params.multi_items()]
    if len(sent) != len(set(sent)):
        raise Problem(ErrorCode.INVALID_PARAMETER, "A parameter is given twice.")
    if not declared.issuperset(sent):
        raise Problem(ErrorCode.INVALID_PARAMETER, f"This address takes only these parameters: {', '.join(sorted(declared)) or 'none'}.")


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise Problem(ErrorCode.UNSUPPORTED_MEDIA_TYPE)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise Problem(ErrorCode.MALFORMED_MULTIPART, "The header Content-Type names no boundary.")
    return boundary


@dataclass
class _Part:
    name: bytes
    is_file: bool
    data: bytearray = field(default_factory=bytearray)


class _Form:
    """Collects the parts of one form as its bytes arrive."""

    def __init__(self, boundary: bytes) -> None:
        self._parts: list[_Part] = []
        self._bytes = 0
        self._ended = False
        self._header = (bytearray(), bytearray())
        self._disposition: bytes | None = None
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks, max_header_count=MAX_PART_HEADERS, max_header_size=MAX_PART_HEADER_BYTES)
        except FormParserError as error:
            raise Problem(ErrorCode.MALFORMED_MULTIPART) from error

    def write(self, chunk: bytes) -> None:
        self._bytes += len(chunk)
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise Problem(ErrorCode.MALFORMED_MULTIPART) from error

    def close(self) -> None:
        """Let go of the parser, which refers back here: else the picture would stay until the collector of cycles comes by."""
        del self._parser

    def finish(self) -> bytes:
        if not self._bytes:
            raise Problem(ErrorCode.MISSING_FIELD, pointer=f"/{IMAGE_FIELD}")
        if not self._ended:
            raise Problem(ErrorCode.MALFORMED_MULTIPART, "The form's closing boundary is missing.")
        names = [part.name.decode("ascii", "replace") for part in self._parts]
        if IMAGE_FIELD not in names:
            raise Problem(ErrorCode.MISSING_FIELD, pointer=f"/{IMAGE_FIELD}")
        if set(names) != {IMAGE_FIELD}:
            raise Problem(ErrorCode.UNEXPECTED_FIELD)
        if len(names) > 1:
            raise Problem(ErrorCode.DUPLICATE_FIELD)
        return _picture(self._parts[0])

    def _begin(self) -> None:
        if len(self._parts) == MAX_PARTS:
            raise Problem(ErrorCode.TOO_MANY_PARTS, f"The form may have {MAX_PARTS} parts.")
        self._disposition = None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _header_end(self) -> None:
        name, value = (bytes(part) for part in self._header)
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = (bytearray(), bytearray())

    def _headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise Problem(ErrorCode.MALFORMED_MULTIPART, "A part of the form has no name.")
        self._parts.append(_Part(options[b"name"], b"filename" in options))

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._parts[-1]
        if part.is_file:  # any other part is refused, whatever it holds
            part.data.extend(memoryview(data)[start:end])

    def _end(self) -> None:
        self._ended = True


def _picture(part: _Part) -> bytes:
    if not part.is_file:
        raise Problem(ErrorCode.NOT_A_FILE, pointer=f"/{IMAGE_FIELD}")
    if not part.data:
        raise Problem(ErrorCode.EMPTY_UPLOAD, pointer=f"/{IMAGE_FIELD}")
    return bytes(part.data)
