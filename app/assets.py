"""Static files; those asked for by a fingerprinted address may be kept for a year."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.staticfiles import StaticFiles

from app.errors import ErrorCode, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.responses import Response
    from starlette.types import Scope


class Assets(StaticFiles):
    """The files of one folder, without listings, links out of it, or ranges."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, follow_symlink=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file; ``?v=`` in its address is its fingerprint.

        Raises:
            Problem: ``not_found`` or ``method_not_allowed``.
        """
        if scope["method"] not in {"GET", "HEAD"}:
            raise Problem(ErrorCode.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        # the files are small: an answer in ranges would only be one more thing to attack
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"range"]
        response = await super().get_response(path, scope)
        fingerprinted = scope["query_string"].startswith(b"v=")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if fingerprinted else "no-cache"
        return response
