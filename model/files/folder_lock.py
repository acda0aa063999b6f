"""One process at a time in a folder: a lock that ends with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.errors import make_folder


class FolderBusyError(Exception):
    """Another process works in the folder; the message names it."""


@contextmanager
def folder_lock(directory: Path, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a folder, which is made where it is missing.

    Args:
        wait: until another process lets go of it.

    Raises:
        FolderBusyError: another process holds it, and ``wait`` is not set.
    """
    make_folder(directory)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise FolderBusyError(f"{directory}: another process works in this folder; wait for it, or end it") from None
        yield
    finally:
        os.close(descriptor)


def is_locked(directory: Path) -> bool:
    """Whether a living process holds the lock of a folder."""
    if not directory.is_dir():
        return False
    try:
        with folder_lock(directory):
            return False
    except FolderBusyError:
        return True
