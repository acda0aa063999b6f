"""Files that are either as they were or complete."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from model.errors import FileError, make_folder


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` at once: a reader, or a kill at any moment, finds the old file or the new one.

    A link stays one, to a file that is replaced; a pipe, a device or standard output is written to, after what it has.

    Raises:
        FileError: it cannot be written; nothing is left behind.
    """
    try:
        if _is_device(path):
            with path.open("ab") as stream:
                stream.write(content)
        else:
            _replace(Path(os.path.realpath(path)), content)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from error


def _replace(target: Path, content: bytes) -> None:
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(target)
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
    if _is_device(path):
        return
    folder = Path(os.path.realpath(path)).parent
    make_folder(folder)
    if not os.access(folder, os.W_OK):
        raise FileError(f"{folder}: cannot be written to")


def _is_device(path: Path) -> bool:
    """Whether it is there and neither file nor folder, such as a pipe; or standard output, which may be redirected to a file."""
    return path.exists() and (path.absolute().is_relative_to("/dev") or not (path.is_file() or path.is_dir()))
