"""Addresses of sources, paths or URLs: what may be written of them, and what they say of what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from model.errors import one_line

COMPRESSED_TAR = re.compile(r"\.(tgz|tbz2?|txz|tzst|tar\.(gz|bz2|xz|zst|lz4))$", re.IGNORECASE)
_ARCHIVES = frozenset(["zip", "tar", "parquet"])
# What stands before the @ of a URL that may hold a password: a password may have a / of its own, but then no host and port come first.
# Elsewhere an @ parts other things, as in abfs://container@account.
_USER = re.compile(r"\b((?:https?|s?ftp|ssh|smb|webhdfs)://)(?:[^/?#\s]*|(?!(?:\[\S*?\]|[^/?#:\s]*)(?::\d*)?[/?#])\S*)@")
_QUERY = re.compile(r"(https?://[^?]*)\?\S+")


def absolute(source: str) -> str:
    """A source's address as any process understands it: a URL as it is, a path from the root."""
    return source if "://" in source else str(Path(source).absolute())


def without_secrets(text: str) -> str:
    """An address, or a text that tells one, as it may be written down: without user and password, and without what follows a ``?`` over
    HTTP, which may be a signature that opens the file to whoever reads it."""
    return _QUERY.sub(r"\1?...", _USER.sub(r"\1", text))


def told(error: BaseException) -> str:
    """An error in one line; those of HTTP tell the address."""
    return without_secrets(one_line(error))


def protocols(files: Any) -> set[str]:
    """What addresses of one of fsspec's file systems begin with."""
    return {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)


def plain_name(files: Any, name: str) -> str:
    """A file's name as its folder has it: over HTTP it comes as a URL spells it."""
    return unquote(name, errors="surrogateescape") if "http" in protocols(files) else name


def split_query(files: Any, path: str) -> tuple[str, str]:
    """A file's path and, over HTTP, its URL's query with the ``?``; blank where there is none."""
    name, mark, query = path.partition("?") if "http" in protocols(files) else (path, "", "")
    return name, mark + query


def archive_kind(path: str, query: str) -> str | None:
    """``zip``, ``tar`` or ``parquet``, as the path ends, or else its query (``get?file=faces.zip``); None where neither does."""
    suffixes = [text.rpartition(".")[2].lower() for text in (path, query)]
    return next((suffix for suffix in suffixes if suffix in _ARCHIVES), None)
