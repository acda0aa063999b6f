"""A Parquet file with the bytes of one picture a row, as data sets are published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_FACTS = ("id", "label", "split")
_MAY_BE_NUMBERS = ("id", "label")
_UNKNOWN = -1  # of a Hugging Face ClassLabel: the label is not told
_ROWS_AT_A_TIME = 4096
_PICTURES_AT_A_TIME = 16  # decoded at once: a row group may have a million rows, and its pictures any size
_BUFFER = 1 << 20  # bytes read at once, in place of a whole column of a row group


class PictureTable:
    """The pictures are in the one column of bytes, or of structures with a field ``bytes``; of several in the one named ``image``.

    Args:
        file: open for reading in binary.

    Raises:
        ValueError: it has no such column, or a column id, label or split that cannot be read as one.
    """

    def __init__(self, file: Any) -> None:
        self._file = pq.ParquetFile(file, buffer_size=_BUFFER)
        schema = self._file.schema_arrow
        holding = [field.name for field in schema if _holds_bytes(field.type)]
        if len(holding) != 1 and "image" not in holding:
            raise ValueError(f"one column of picture bytes is expected, or one named image; found {', '.join(holding) or 'none'}")
        self._column = holding[0] if len(holding) == 1 else "image"
        self._facts = [name for name in _FACTS if name in schema.names and _is_fact(name, schema.field(name).type)]
        self._classes = _class_names(schema)
        self._reader: _GroupReader | None = None

    def facts(self) -> Iterator[tuple[str | None, str | None, str | None]]:
        """Id, label and split of every row, None where the file has no such column of text.

        A label may be a number as well, which Hugging Face's own metadata in the file name; one without a name is told as it is. So is an
        id that is a number.
        """
        if not self._facts:
            yield from ((None, None, None) for _ in range(self._file.metadata.num_rows))
            return
        for batch in self._file.iter_batches(_ROWS_AT_A_TIME, columns=self._facts):
            for row in batch.to_pylist():
                known = row.get("id")
                yield None if known is None else str(known), self._label(row.get("label")), row.get("split")

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
            OSError: the file cannot be read there.
        """
        reader = self._reader
        if reader is None or not reader.first <= row < reader.end:
            reader = self._reader = self._group_of(row)
        value = reader.value(row)
        data = value["bytes"] if isinstance(value, dict) else value
        if data is None:
            raise ValueError("the row has no picture")
        return bytes(data)

    def _group_of(self, row: int) -> _GroupReader:
        first = 0
        for group in range(self._file.num_row_groups):
            end = first + self._file.metadata.row_group(group).num_rows
            if row < end:
                return _GroupReader(self._file, self._column, group, first, end)
            first = end
        raise LookupError(f"the file has {first} rows")


class _GroupReader:
    """One column of the rows ``first`` to ``end`` of a row group, read forwards a few at a time; it begins anew for a row that has passed,
    and after an error, since a server may have failed where the file is whole."""

    def __init__(self, file: pq.ParquetFile, column: str, group: int, first: int, end: int) -> None:
        self.first = first
        self.end = end
        self._file = file
        self._column = column
        self._group = group
        self._begin()

    def _begin(self) -> None:
        self._batches = self._file.iter_batches(_PICTURES_AT_A_TIME, row_groups=[self._group], columns=[self._column])
        self._start, self._values = self.first, pa.nulls(0)
        self._failed = False

    def value(self, row: int) -> Any:
        """A row's. Raises what pyarrow objects to, for this row and those behind it."""
        if row < self._start or self._failed:
            self._begin()
        while row >= self._start + len(self._values):
            self._next_rows()
        return self._values[row - self._start].as_py()

    def _next_rows(self) -> None:
        self._failed = True
        batch = next(self._batches, None)
        if batch is None:
            raise EOFError("the row group ends before the row")
        self._failed = False
        self._start, self._values = self._start + len(self._values), batch.column(0)


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_bytes(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _is_fact(name: str, kind: pa.DataType) -> bool:
    """Whether a column tells something; one without any value does not.

    Raises:
        ValueError: it holds what is no id, label or split.
    """
    if pa.types.is_null(kind):
        return False
    if _is_text(kind) or (name in _MAY_BE_NUMBERS and pa.types.is_integer(kind)):
        return True
    expected = "text or whole numbers" if name in _MAY_BE_NUMBERS else "text"
    raise ValueError(f"the column {name} holds {kind}, not {expected}: convert it, or rename it where it is something else")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):  # as pandas writes a categorical
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _class_names(schema: pa.Schema) -> list[str]:
    """The names that Hugging Face's ``datasets`` keeps for the numbers of the column ``label``; none where the file is not its."""
    try:
        return [str(name) for name in json.loads(schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"]]
    except (KeyError, TypeError, ValueError):
        return []
