"""Static files; those asked for below the fingerprint of all of them may be kept for a year."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from app.errors import ErrorCode, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.types import Scope

# Of a browser's kinds; Python's own table knows some of them only where the machine has one, too.
_MEDIA_TYPES = {
    ".css": "text/css",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webp": "image/webp",
}
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")


@dataclass(frozen=True)
class _Asset:
    content: bytes
    media_type: str

    @cached_property
    def tag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    @cached_property
    def compressed(self) -> _Asset | None:
        """The same for clients that take gzip; None where that saves nothing, as for pictures. Nothing of a visitor is in it."""
        content = gzip.compress(self.content, mtime=0)
        return _Asset(content, self.media_type) if len(content) < len(self.content) else None


class Assets(StaticFiles):
    """Files by their paths, held in memory, so that an answer needs neither the disk nor a thread; no listings, links or ranges.

    They are small: an answer in ranges would only be one more thing to attack.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self.config_checked = True  # there is no folder to check
        self._assets = {path: _Asset(content, _media_type(path)) for path, content in files.items()}
        self._fingerprint = fingerprint(files)

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
        accepted = Headers(scope=scope).get("accept-encoding", "")
        smaller = asset.compressed if _GZIP.search(accepted) else None
        headers = {"Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if smaller else {})
        asset = smaller or asset
        headers |= {"ETag": asset.tag, "Cache-Control": "public, max-age=31536000, immutable" if fingerprinted else "no-cache"}
        response = Response(asset.content, headers=headers, media_type=asset.media_type)
        unchanged = self.is_not_modified(response.headers, Headers(scope=scope))
        return NotModifiedResponse(response.headers) if unchanged else response


def folder_files(folder: Path) -> dict[str, bytes]:
    """The files of a folder by their paths below it, links left out."""
    root = folder.resolve()
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(name): (root / name).read_bytes() for name in names if (folder / name).resolve() == root / name}


def fingerprint(files: Mapping[str, bytes]) -> str:
    """Twelve hexadecimal digits that change with any of the files, and with its name."""
    digest = hashlib.sha256()
    for path, content in files.items():
        digest.update(path.encode() + b"\0" + content)
    return digest.hexdigest()[:12]


def _media_type(path: str) -> str:
    return _MEDIA_TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")
