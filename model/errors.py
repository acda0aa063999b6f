"""What the user can mend: wrong choices, settings and files, told in one line. Any other exception is a fault of this program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(ValueError):
    """A choice, a setting or a file of the user's cannot be used; the message is one line that says which, and what would do."""


class FileError(InputError):
    """A file or a folder of the user's cannot be read or written; the message names it."""


@contextmanager
def file_errors() -> Iterator[None]:
    """Tells an :class:`OSError` of the block, or of the function it decorates, as a :class:`FileError`: the files there are the user's."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error


@file_errors()
def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where they are missing.

    Raises:
        FileError: it cannot be made.
    """
    path.mkdir(parents=True, exist_ok=True)


def one_line(error: BaseException) -> str:
    """An error as one line for the operator."""
    return " ".join((str(error) or type(error).__name__).split())
