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

from model.auditing.labels import Labels, check_label, label_key
from model.auditing.manifest import AuditError, ListedPictures
from model.auditing.sources import READ_ERRORS, Listed, Place, Source
from model.errors import file_errors, one_line

LISTING_FILE = "listing.parquet"
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
    """What was listed, for how many of the pictures there is a label, and how many of the given labels are of no picture."""

    listed: ListedPictures
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
        AuditError: the source cannot be listed, or has no picture, or a label is no expression.
        FileError: the file cannot be written.
    """
    digest, pictures, labelled, strangers = hashlib.sha256(), 0, 0, set(labels or ())
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        listed = _labelled(source, labels)
        while rows := list(islice(listed, shard_rows)):
            for row in rows:
                digest.update(json.dumps([row.id, *vars(row.place).values(), row.label, row.split]).encode() + b"\n")
            pictures += len(rows)
            labelled += sum(row.label is not None for row in rows)
            strangers.difference_update(label_key(row.id) for row in rows)
            writer.write_table(_table(rows), row_group_size=shard_rows)
    if not pictures:
        raise AuditError("the source holds no picture")
    return WrittenListing(ListedPictures(pictures=pictures, sha256=digest.hexdigest()), labelled, len(strangers))


def read_listing(path: Path, number: int) -> list[Listed]:
    """The pictures of part ``number``."""
    with pq.ParquetFile(path) as file:
        rows = file.read_row_group(number).to_pylist()
    return [
        Listed(row["id"], Place(row["file"].decode("utf-8", "surrogateescape"), row["position"], row["size"]), row["label"], row["split"])
        for row in rows
    ]


def _labelled(source: Source, labels: Labels | None) -> Iterator[Listed]:
    try:
        for picture in source.pictures():
            name = _printable(picture.id)
            label, split = (picture.label, picture.split) if labels is None else labels.get(label_key(name), (None, None))
            yield Listed(name, picture.place, check_label(label, name), split)
    except AuditError:
        raise
    except READ_ERRORS as error:
        raise AuditError(f"the source cannot be listed: {one_line(error)}") from error


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
