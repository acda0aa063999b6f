"""Static files; those asked for below the folder's fingerprint may be kept for a year."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from app.errors import ErrorCode, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Scope


@dataclass(frozen=True)
class _Asset:
    content: bytes
    media_type: str
    tag: str


class Assets(StaticFiles):
    """The files of one folder, read once, so that an answer needs neither the disk nor a thread; no listings, links or ranges.

    They are small: an answer in ranges would only be one more thing to attack.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory)
        self.config_checked = True  # a thread would do it with the first request
        root = directory.resolve()
        names = [path.relative_to(directory) for path in directory.rglob("*") if path.is_file()]
        self._assets = {str(name): _read(root / name) for name in names if (directory / name).resolve() == root / name}
        self._fingerprint = folder_fingerprint(directory)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, by its path or by ``fingerprint/path``.

        Raises:
            Problem: ``not_found`` or ``method_not_allowed``.
        """
        if scope["method"] not in {"GET", "HEAD"}:
            raise Problem(ErrorCode.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        first, _, rest = path.partition("/")
        fingerprinted = first == self._fingerprint
        asset = self._assets.get(rest if fingerprinted else path)
        if asset is None:
            raise Problem(ErrorCode.NOT_FOUND)
        headers = {"ETag": asset.tag, "Cache-Control": "public, max-age=31536000, immutable" if fingerprinted else "no-cache"}
        response = Response(asset.content, headers=headers, media_type=asset.media_type)
        unchanged = self.is_not_modified(response.headers, Headers(scope=scope))
        return NotModifiedResponse(response.headers) if unchanged else response


def folder_fingerprint(folder: Path) -> str:
    """Twelve hexadecimal digits that change with any file of a folder, and with its name."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _read(path: Path) -> _Asset:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _Asset(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
