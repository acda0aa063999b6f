"""Files that are either as they were or complete."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` at once: a reader, or a kill at any moment, finds the old file or the new one.

    Raises:
        OSError: it cannot be written; nothing is left behind. The error names ``path``.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def make_room(path: Path) -> None:
    """Make the folder that ``path`` will be written to, before long work whose result would have nowhere to go.

    Raises:
        OSError: the folder cannot be made or written to, or ``path`` is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a file is needed here, this is a folder", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, "cannot be written to", str(path.parent))
