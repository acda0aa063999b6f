"""Files that are either as they were or complete."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from model.errors import FileError, make_folder


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` at once: a reader, or a kill at any moment, finds the old file or the new one.

    Raises:
        FileError: it cannot be written; nothing is left behind.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from error
    finally:
        with suppress(OSError):  # what kept it from being written may keep it from being looked for
            partial.unlink(missing_ok=True)


def make_room(path: Path) -> None:
    """Make the folder that ``path`` will be written to, before long work whose result would have nowhere to go.

    Raises:
        FileError: the folder cannot be made or written to, or ``path`` is a folder.
    """
    if path.is_dir():
        raise FileError(f"{path}: a file is needed here, this is a folder")
    make_folder(path.parent)
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"{path.parent}: cannot be written to")
