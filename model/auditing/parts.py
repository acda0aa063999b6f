"""The rows of an audit: the schema of ``part-*.parquet``, and how they are read.

One row a picture, in the order of the listing. A picture that cannot be used has an ``error`` and nothing but ``id``, ``sha256``,
``label`` and ``split`` beside it. Of each model, by the name asked for, there are the columns of :data:`MODEL_COLUMNS` as
``baseline_probabilities`` and so on; what is undefined is null.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.auditing.manifest import MANIFEST_FILE, AuditedModel, AuditError, AuditManifest, load_audit_manifest
from model.errors import one_line
from model.expressions import EXPRESSIONS

PICTURE_COLUMNS = (
    pa.field("id", pa.string(), nullable=False),  # the picture's name within the source
    pa.field("sha256", pa.string()),  # of the file's bytes; null where they could not be read
    pa.field("label", pa.string()),  # one of the expressions; null where there is none
    pa.field("split", pa.string()),
    pa.field("error", pa.string()),  # "code: sentence"
    pa.field("width", pa.int32()),  # of the upright picture, pixels
    pa.field("height", pa.int32()),
    pa.field("faces_found", pa.int32()),  # by the detector; null where it was not asked
    pa.field("detection_score", pa.float32()),  # of the largest face, which is the one audited; null for a picture taken whole
    pa.field("crop", pa.list_(pa.float32(), 4)),  # left, top, width, height in pixels of the picture, which it may leave
    pa.field("face", pa.binary()),  # what the networks saw: 48x48 grey pixels as PNG
)
# Of each model: dimensions beside the rows, by the names of `_sizes`, and the type of a value. Views are the face and its mirror image.
MODEL_COLUMNS = {
    "probabilities": (("classes",), pa.float32()),
    "mirror_probabilities": (("classes",), pa.float32()),
    "two_view_probabilities": (("classes",), pa.float32()),  # of both views' logits averaged
    "flip_consistency": (("classes",), pa.float32()),  # correlation of a map with the mirror image's, mapped back; null where flat
    "own_symmetry": (("classes",), pa.float32()),  # correlation of a map with itself mirrored; null where flat
    "minor_scores": (("minor",), pa.float32()),  # log-odds of the minor classes, of the face as given
    "embedding": (("channels",), pa.float16()),  # last feature map, averaged over the cells, of the face as given
    "maps": (("views", "classes", "cells", "cells"), pa.float16()),  # centred gauge; the mirror image's as seen, not mapped back
}
_VIEWS = 2


def part_schema(models: Sequence[AuditedModel]) -> pa.Schema:
    """The schema of every part. A column of several numbers is a list of fixed length, its ``shape`` (JSON) in the field's metadata."""
    return pa.schema([*PICTURE_COLUMNS, *(_field(model, name) for model in models for name in MODEL_COLUMNS)])


def column_name(model: str, name: str) -> str:
    """The column of a model, ``name`` being one of :data:`MODEL_COLUMNS`."""
    return f"{model}_{name}"


def part_path(directory: Path, number: int) -> Path:
    """The file of part ``number``, counted from 0."""
    return directory / f"part-{number:06d}.parquet"


class Audit:
    """An audit's folder, for reading: whole, or as far as it has come.

    Raises:
        AuditError: the folder holds none.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.manifest: AuditManifest = load_audit_manifest(directory)
        self.schema: pa.Schema = part_schema(self.manifest.models)

    @property
    def paths(self) -> list[Path]:
        """The parts that are there, in order."""
        return [path for number in range(self.manifest.parts) if (path := part_path(self.directory, number)).is_file()]

    @property
    def missing(self) -> int:
        """How many parts are not there yet."""
        return self.manifest.parts - len(self.paths)

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns, part by part, so that memory need hold one part only.

        Raises:
            AuditError: a part is no part of this audit.
        """
        for path in self.paths:
            yield self._read(path, columns)

    def part(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Some columns of part ``number``; errors as :meth:`tables`."""
        return self._read(part_path(self.directory, number), columns)

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Some columns of all parts, one row a picture."""
        chosen = pa.schema([self.schema.field(name) for name in columns])
        return pa.concat_tables([chosen.empty_table(), *self.tables(columns)])

    def _read(self, path: Path, columns: Sequence[str]) -> pa.Table:
        try:
            with pq.ParquetFile(path) as part:
                if not part.schema_arrow.equals(self.schema):
                    raise AuditError(f"{path} has other columns than {MANIFEST_FILE} says: delete it and run the audit again")
                return part.read(list(columns))
        except (pa.ArrowException, OSError) as error:
            raise AuditError(f"{path}: cannot be read ({one_line(error)}): delete it and run the audit again") from error


def numbers(table: pa.Table, column: str) -> NDArray[np.floating[Any]]:
    """A column of :data:`MODEL_COLUMNS`, or ``crop``, as an array ``(rows, *shape)`` of the column's type; NaN where it is null."""
    field = table.schema.field(column)
    shape = json.loads(field.metadata[b"shape"]) if field.metadata else [field.type.list_size]
    values = table.column(column).combine_chunks()
    present = values.is_valid().to_numpy(zero_copy_only=False)
    array = np.full((len(values), *shape), np.nan, dtype=field.type.value_type.to_pandas_dtype())
    array[present] = values.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(-1, *shape)
    return array


def _sizes(model: AuditedModel) -> dict[str, int]:
    return {
        "classes": len(EXPRESSIONS),
        "minor": len(model.minor_classes),
        "channels": model.channels,
        "views": _VIEWS,
        "cells": model.cells,
    }


def _field(model: AuditedModel, name: str) -> pa.Field:
    dimensions, kind = MODEL_COLUMNS[name]
    shape = [_sizes(model)[dimension] for dimension in dimensions]
    return pa.field(column_name(model.name, name), pa.list_(kind, int(np.prod(shape))), metadata={"shape": json.dumps(shape)})
