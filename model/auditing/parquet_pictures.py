"""A Parquet file with the bytes of one picture a row, as data sets are published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_FACTS = ("id", "label", "split")
_UNKNOWN = -1  # of a Hugging Face ClassLabel: the label is not told
_ROWS_AT_A_TIME = 4096


class PictureTable:
    """The pictures are in the one column of bytes, or of structures with a field ``bytes``; of several in the one named ``image``.

    Args:
        file: open for reading in binary.

    Raises:
        ValueError: it has no such column.
    """

    def __init__(self, file: Any) -> None:
        self._file = pq.ParquetFile(file)
        schema = self._file.schema_arrow
        holding = [field.name for field in schema if _holds_bytes(field.type)]
        if len(holding) != 1 and "image" not in holding:
            raise ValueError(f"one column of picture bytes is expected, or one named image; found {', '.join(holding) or 'none'}")
        self._column = holding[0] if len(holding) == 1 else "image"
        self._facts = [name for name in _FACTS if name in schema.names and _is_fact(name, schema.field(name).type)]
        self._classes = _class_names(schema)
        self._group = -1
        self._first = 0
        self._pictures: Any = None

    def facts(self) -> Iterator[tuple[str | None, str | None, str | None]]:
        """Id, label and split of every row, None where the file has no such column of text.

        A label may be a number as well, which Hugging Face's own metadata in the file name; one without a name is told as it is.
        """
        if not self._facts:
            yield from ((None, None, None) for _ in range(self._file.metadata.num_rows))
            return
        for batch in self._file.iter_batches(_ROWS_AT_A_TIME, columns=self._facts):
            for row in batch.to_pylist():
                yield row.get("id"), self._label(row.get("label")), row.get("split")

    def _label(self, value: str | int | None) -> str | None:
        if not isinstance(value, int):
            return value
        if value == _UNKNOWN and self._classes:
            return None
        return self._classes[value] if 0 <= value < len(self._classes) else str(value)

    def picture(self, row: int) -> bytes:
        """The bytes of a row.

        Raises:
            ValueError: it has none.
        """
        if self._group < 0 or not self._first <= row < self._first + len(self._pictures):
            self._load_group_of(row)
        value = self._pictures[row - self._first].as_py()
        data = value["bytes"] if isinstance(value, dict) else value
        if data is None:
            raise ValueError("the row has no picture")
        return bytes(data)

    def _load_group_of(self, row: int) -> None:
        first = 0
        for group in range(self._file.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            if row < first + rows:
                self._group, self._first = group, first
                self._pictures = self._file.read_row_group(group, columns=[self._column]).column(0)
                return
            first += rows
        raise LookupError(f"the file has {first} rows")


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_bytes(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_fact(name: str, kind: pa.DataType) -> bool:
    return _is_text(kind) or (name == "label" and bool(pa.types.is_integer(kind)))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _class_names(schema: pa.Schema) -> list[str]:
    """The names that Hugging Face's ``datasets`` keeps for the numbers of the column ``label``; none where the file is not its."""
    try:
        return [str(name) for name in json.loads(schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"]]
    except (KeyError, TypeError, ValueError):
        return []
