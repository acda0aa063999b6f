"""``listing.parquet`` of an audit: every picture of the source with its place and its label, a row group for each part.

So a part is told by its number alone, whoever makes it, and nobody holds the whole list in memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from model.auditing.addresses import told
from model.auditing.labels import Labels, check_label, label_key
from model.auditing.manifest import AuditError, ListedPictures
from model.auditing.sources import READ_ERRORS, Listed, Place, Source
from model.errors import file_errors

LISTING_FILE = "listing.parquet"
_LARGEST = (1 << 63) - 1  # that a place or a size can be here; no file is as large
_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("file", pa.binary(), nullable=False),  # a name that is not UTF-8 is kept
        pa.field("position", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("label", pa.string()),
        pa.field("split", pa.string()),
    ]
)


@dataclass(frozen=True)
class WrittenListing:
    """What was listed, the id of the ``first`` picture, for how many there is a label, and how many of the given labels are of no
    picture."""

    listed: ListedPictures
    first: str
    labelled: int
    strangers: int


@file_errors()
def write_listing(source: Source, labels: Labels | None, shard_rows: int, path: Path) -> WrittenListing:
    """List a source.

    Args:
        labels: by picture; they take the place of the source's own.
        shard_rows: pictures a part.
        path: the file to write.

    Raises:
        AuditError: the source cannot be listed, or has no picture, or a label is no expression, or is given to an id of several pictures.
        FileError: the file cannot be written.
    """
    digest, first, pictures, labelled, strangers = hashlib.sha256(), "", 0, 0, set(labels or ())
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        listed = _labelled(source, labels)
        while rows := list(islice(listed, shard_rows)):
            first = first or rows[0].id
            for row in rows:
                _strike_out(row.id, labels or {}, strangers)
                digest.update(json.dumps([row.id, *vars(row.place).values(), row.label, row.split]).encode() + b"\n")
            pictures += len(rows)
            labelled += sum(row.label is not None for row in rows)
            writer.write_table(_table(rows), row_group_size=shard_rows)
    if not pictures:
        raise AuditError("the source holds no picture")
    return WrittenListing(ListedPictures(pictures=pictures, sha256=digest.hexdigest()), first, labelled, len(strangers))


def read_listing(path: Path, number: int) -> list[Listed]:
    """The pictures of part ``number``."""
    with pq.ParquetFile(path) as file:
        rows = file.read_row_group(number).to_pylist()
    return [
        Listed(row["id"], Place(row["file"].decode("utf-8", "surrogateescape"), row["position"], row["size"]), row["label"], row["split"])
        for row in rows
    ]


def _strike_out(picture: str, labels: Labels, strangers: set[str]) -> None:
    """Take a picture from those that have a label but were not met yet.

    Raises:
        AuditError: one of that id was met before; which of them the label is of is not known.
    """
    key = label_key(picture)
    if key in strangers:
        strangers.remove(key)
    elif key in labels:
        raise AuditError(
            f"{picture} is the id of several pictures of the source, and --labels has one label for it: give each an id of its own, or "
            "rename a Parquet file's column id, so that ids are file.parquet#row"
        )


def _labelled(source: Source, labels: Labels | None) -> Iterator[Listed]:
    try:
        for picture in source.pictures():
            name = _printable(picture.id)
            if max(picture.place.position or 0, picture.place.size or 0) > _LARGEST:
                raise EOFError(f"{name} is said to be beyond the end of any file: the archive is damaged")
            label, split = (picture.label, picture.split) if labels is None else labels.get(label_key(name), (None, None))
            yield Listed(name, picture.place, check_label(label, name), split)
    except AuditError:
        raise
    except READ_ERRORS as error:
        raise AuditError(f"the source cannot be listed: {told(error)}") from error


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _table(rows: list[Listed]) -> pa.Table:
    columns = {
        "id": [row.id for row in rows],
        "file": [row.place.file.encode("utf-8", "surrogateescape") for row in rows],
        "position": [row.place.position for row in rows],
        "size": [row.place.size for row in rows],
        "label": [row.label for row in rows],
        "split": [row.split for row in rows],
    }
    return pa.table(columns, _SCHEMA)
