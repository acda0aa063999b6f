"""Where the pictures of an audit are: in folders, in archives, in Parquet files; on this machine or wherever fsspec reaches.

A source is listed once, in one order, and read picture by picture from what the list says. Both may happen in different processes.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa

from model.auditing.addresses import COMPRESSED_TAR, archive_kind, plain_name, split_query, told, without_secrets
from model.auditing.manifest import AuditError
from model.auditing.parquet_pictures import PictureTable
from model.auditing.remote import CONTENT_ERRORS, file_system, reaching
from model.files.picture_names import is_picture_name, is_picture_path

LARGEST_PICTURE = 64 << 20  # bytes
READ_ERRORS = (OSError, *CONTENT_ERRORS)  # what a file system or an archive objects to
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Place:
    """Where one picture's bytes are: ``file`` within the source; ``position`` is the first byte in a tar, the place of the member's header
    in a zip, in a table the row."""

    file: str
    position: int | None
    size: int | None  # bytes; None where only reading tells


@dataclass(frozen=True)
class Listed:
    """A picture of a source; ``label`` and ``split`` where the source itself says them."""

    id: str
    place: Place
    label: str | None = None
    split: str | None = None


class Source(Protocol):
    """Pictures in an order that does not change while they do not."""

    def pictures(self) -> Iterator[Listed]:
        """Every picture. Raises one of :data:`READ_ERRORS`."""

    def read(self, place: Place) -> bytes:
        """The bytes of a picture that was listed, or more than :data:`LARGEST_PICTURE` of them. Raises one of :data:`READ_ERRORS`."""


def open_source(address: str) -> Source:
    """The source at an address: a folder, a .zip, a .tar or .parquet file, or a pattern (``shards/*.tar``) of the latter two.

    Raises:
        AuditError: nothing is there, or it cannot be reached.
    """
    files, path, remote = file_system(address)
    shown = without_secrets(address)
    try:
        if not remote:
            return _found(shown, files, path)
        with reaching(shown):
            return _Remote(_found(shown, files, path), shown)
    except AuditError:
        raise
    except READ_ERRORS as error:
        raise AuditError(f"{shown}: cannot be read ({told(error)})") from error


def _found(address: str, files: Any, path: str) -> Source:
    kind, why = _kind(files, path)
    path, query = split_query(files, path) if kind else (path, "")
    if kind == "directory" and query:
        raise AuditError(f"{address}: a folder is read without a query, which its files would lack: leave it out, or give a .zip file")
    if kind == "directory":
        return _Folder(files, path)
    pattern = None if kind else _PATTERN.search(path)
    folder = path[: pattern.start() if pattern else len(path)].rpartition("/")[0]
    found = sorted(map(str, files.glob(path)), key=lambda name: plain_name(files, name)) if pattern else [path] * bool(kind)
    if not found:
        raise AuditError(
            f"{address}: there is nothing{why}; give a folder, a .zip, a .tar or .parquet file, or a pattern such as 'shards/*.tar'"
        )
    names = [name[len(folder) + 1 :] for name in found]
    return _archives(address, _Files(files, folder, query), names, {archive_kind(name, query) for name in names})


def _kind(files: Any, path: str) -> tuple[str | None, str]:
    """``directory`` or ``file``; None where neither is there, and what the file system says of that."""
    try:
        kind = str(files.info(path)["type"])
    except FileNotFoundError as error:
        return None, f" ({told(error.__cause__)})" if error.__cause__ else ""
    if kind == "file" and archive_kind(*split_query(files, path)) is None and files.isdir(path):
        return "directory", ""  # over HTTP a folder is a file that names others
    return kind, ""


def _archives(address: str, files: _Files, names: list[str], kinds: set[str | None]) -> Source:
    if kinds == {"zip"} and len(names) == 1:
        return _Zip(files, names[0])
    if kinds == {"tar"}:
        return _Tars(files, names)
    if kinds == {"parquet"}:
        return _Tables(files, names)
    if packed := next((name for name in names if COMPRESSED_TAR.search(name)), None):
        raise AuditError(f"{address}: {packed} is compressed and can only be read from its beginning: decompress it to a .tar file")
    raise AuditError(f"{address}: pictures are read from a folder, one .zip, or .tar or .parquet files, not from {names[0]}")


class _Files:
    """Files of one folder, of which the one in use is kept open: places come in their order. A URL's ``query`` is kept out of them: it may
    be a signature, and another one the next day."""

    def __init__(self, files: Any, folder: str, query: str) -> None:
        self._files = files
        self._folder = folder
        self._query = query
        self._name: str | None = None
        self._file: Any = None

    def open(self, name: str) -> Any:
        """A file by its name in the folder, open for reading in binary."""
        if name != self._name:
            if self._file is not None:
                self._file.close()
            self._name = self._file = None
            self._file = self._files.open(f"{self._folder}/{name}{self._query}", "rb")
            self._name = name
        return self._file

    def plain(self, name: str) -> str:
        """A file's name as ids have it."""
        return plain_name(self._files, name)


class _Folder:
    """Pictures of a folder and its subfolders, links to folders and what is hidden aside; the id is the path within the folder.

    A link to a picture is a picture: stores of data sets keep the files elsewhere, under names of their own.
    """

    def __init__(self, files: Any, path: str) -> None:
        self._files = files
        self._root = path.rstrip("/")

    def pictures(self) -> Iterator[Listed]:
        return self._below(self._root)

    def _below(self, folder: str) -> Iterator[Listed]:
        for entry in sorted(self._files.ls(folder, detail=True), key=lambda entry: plain_name(self._files, str(entry["name"]))):
            path = str(entry["name"]).rstrip("/")
            name = path.rpartition("/")[2]
            if entry["type"] == "directory":
                if not name.startswith(".") and not entry.get("islink"):
                    yield from self._below(path)
            elif is_picture_name(name) and self._is_file(entry, path):
                within = path[len(self._root) + 1 :]
                yield Listed(plain_name(self._files, within), Place(within, None, entry["size"]))

    def _is_file(self, entry: dict[str, Any], path: str) -> bool:
        """Whether there is something to read; a pipe would never end."""
        return entry["type"] == "file" or bool(entry.get("islink") and self._files.isfile(path))

    def read(self, place: Place) -> bytes:
        return bytes(self._files.cat_file(f"{self._root}/{place.file}"))


class _Zip:
    """Pictures of a zip in the archive's order, what is hidden aside; the id is the member's name, of which there may be two."""

    def __init__(self, files: _Files, name: str) -> None:
        self._files = files
        self._name = name

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self._files.open(self._name))

    def pictures(self) -> Iterator[Listed]:
        for entry in self._archive.infolist():
            if is_picture_path(entry.filename):
                yield Listed(entry.filename, Place(entry.filename, entry.header_offset, entry.file_size))

    @cached_property
    def _entries(self) -> dict[int, zipfile.ZipInfo]:
        return {entry.header_offset: entry for entry in self._archive.infolist()}

    def read(self, place: Place) -> bytes:
        assert place.position is not None
        with self._archive.open(self._entries[place.position]) as file:
            return file.read(LARGEST_PICTURE + 1)  # a size in the directory may be a lie


class _Tars:
    """Pictures of uncompressed tar files, such as WebDataset's shards, what is hidden aside; the id is ``shard.tar/member``.

    Of a file with several names the archive has the bytes once, and hard links to them, which come last here.
    """

    def __init__(self, files: _Files, names: list[str]) -> None:
        self._files = files
        self._names = names

    def pictures(self) -> Iterator[Listed]:
        for name in self._names:
            links: dict[str, list[str]] = {}
            for member in self._members(name):
                if is_picture_path(member.name):
                    if member.isreg():
                        yield Listed(f"{self._files.plain(name)}/{member.name}", Place(name, member.offset_data, member.size))
                    elif member.islnk():
                        links.setdefault(member.linkname, []).append(member.name)
            for member in self._members(name) if links else ():
                if member.isreg():
                    for link in links.get(member.name, ()):
                        yield Listed(f"{self._files.plain(name)}/{link}", Place(name, member.offset_data, member.size))

    def _members(self, name: str) -> Iterator[tarfile.TarInfo]:
        self._files.open(name).seek(0)
        with tarfile.open(fileobj=self._files.open(name), mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined] # it would keep every one
                yield member
            _check_end(name, self._files.open(name), archive.offset)

    def read(self, place: Place) -> bytes:
        assert place.size is not None
        file = self._files.open(place.file)
        file.seek(place.position)
        data: bytes = file.read(place.size)
        if len(data) < place.size:
            raise EOFError("the archive ends within the picture")
        return data


def _check_end(name: str, file: Any, position: int) -> None:
    """Whether a tar ends behind its last member: tarfile takes anything there for the end.

    Raises:
        tarfile.ReadError: it was cut or is damaged, or another one follows.
    """
    file.seek(position)
    if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"{name} is cut or damaged at byte {position}: copy it again")
    while padding := file.read(tarfile.RECORDSIZE):
        if padding.strip(tarfile.NUL):
            raise tarfile.ReadError(f"{name} goes on behind its end at byte {position}: of archives put together, give each by itself")


class _Tables:
    """Rows of Parquet files; the id is the column ``id`` where there is one, else ``file#row``."""

    def __init__(self, files: _Files, names: list[str]) -> None:
        self._files = files
        self._names = names
        self._open: tuple[str, PictureTable] | None = None

    def pictures(self) -> Iterator[Listed]:
        for name in self._names:
            for row, (known, label, split) in enumerate(self._table(name).facts()):
                yield Listed(known or f"{self._files.plain(name)}#{row}", Place(name, row, None), label, split)

    def read(self, place: Place) -> bytes:
        assert place.position is not None
        return self._table(place.file).picture(place.position)

    def _table(self, name: str) -> PictureTable:
        if self._open is None or self._open[0] != name:
            try:
                self._open = name, PictureTable(self._files.open(name))
            except pa.ArrowException as error:
                raise ValueError(f"{name}: {error}") from error
        return self._open[1]


class _Remote:
    """A source on another machine; see :func:`reaching`."""

    def __init__(self, source: Source, address: str) -> None:
        self._source = source
        self._address = address

    def pictures(self) -> Iterator[Listed]:
        with reaching(self._address):
            yield from self._source.pictures()

    def read(self, place: Place) -> bytes:
        with reaching(self._address):
            return self._source.read(place)
