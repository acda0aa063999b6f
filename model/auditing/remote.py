"""Sources on other machines: what stands in the way of reading them, told apart from what is wrong with a picture.

A file that is gone or damaged is one row with an error. A server that no longer answers, or credentials that have run out, would make an
error of every row that is left, and the audit would end as if it were done; so that stops it, and the same command goes on later.
"""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec

from model.auditing.addresses import protocols, told, without_secrets
from model.auditing.manifest import AuditError

# what archives and tables object to in their own contents
CONTENT_ERRORS = (EOFError, LookupError, RuntimeError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError)

_HERE = frozenset(["file", "local", "memory"])
_CREDENTIALS = {"s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "gs": "GOOGLE_APPLICATION_CREDENTIALS"}


def file_system(address: str) -> tuple[Any, str, bool]:
    """fsspec's file system of an address, the path in it, and whether it is another machine's.

    Raises:
        AuditError: fsspec knows none, lacks a package for it, or it cannot be reached.
    """
    with reaching(address):
        try:
            files, path = fsspec.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise AuditError(
                f"{without_secrets(address)}: cannot be read here ({told(error)}): install what fsspec needs for it, or give a path"
            ) from error
    files.dircache.use_listings_cache = False  # a list that is kept holds every name of a bucket for as long as the process lives
    return files, path, not protocols(files) & _HERE


@contextmanager
def reaching(address: str) -> Iterator[None]:
    """Tells what a file system raises in the block, but that a file is not there, as an error that ends the audit.

    Every package for fsspec has errors of its own, many of them no :class:`OSError`.

    Raises:
        AuditError: the address cannot be reached now.
    """
    try:
        yield
    except (FileNotFoundError, *CONTENT_ERRORS):
        raise
    except Exception as error:
        credentials = _CREDENTIALS.get(address.partition("://")[0])
        advice = f"check that its server answers{f', and {credentials}' if credentials else ''}; the same command then goes on"
        raise AuditError(f"{without_secrets(address)}: cannot be reached ({told(error)}): {advice}") from error
