"""From pictures and what the models said of them to a part of an audit, a file that has the same bytes whenever its rows are the same."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.auditing.answers import Columns
from model.auditing.parts import MODEL_COLUMNS, column_name
from model.auditing.sources import Listed
from model.errors import file_errors


@dataclass(frozen=True)
class SeenFace:
    """The face of a picture as the networks saw it, ``grey`` (48, 48) uint8, and where it was; see the columns of the same names."""

    grey: NDArray[np.uint8]
    width: int
    height: int
    faces_found: int | None
    detection_score: float | None
    crop: tuple[float, float, float, float]


@dataclass(frozen=True)
class AuditedPicture:
    """One row without the models' answers: either a ``face`` or an ``error``; ``sha256`` is None where the file could not be read."""

    listed: Listed
    sha256: str | None
    face: SeenFace | None
    error: str | None


def part_table(schema: pa.Schema, pictures: Sequence[AuditedPicture], answers: Mapping[str, Columns]) -> pa.Table:
    """The rows of a part.

    Args:
        schema: from :func:`model.auditing.parts.part_schema`.
        pictures: in the order of the listing.
        answers: by the model's name; of the pictures that have a face, in their order. Empty where none has.
    """
    columns: dict[str, list[Any] | pa.Array] = {
        "id": [picture.listed.id for picture in pictures],
        "sha256": [picture.sha256 for picture in pictures],
        "label": [picture.listed.label for picture in pictures],
        "split": [picture.listed.split for picture in pictures],
        "error": [picture.error for picture in pictures],
        "face": [picture.face and _as_png(picture.face.grey) for picture in pictures],
    }
    for name in ("width", "height", "faces_found", "detection_score", "crop"):
        columns[name] = [picture.face and getattr(picture.face, name) for picture in pictures]
    seen = np.array([picture.face is not None for picture in pictures])
    for model, of_model in answers.items():
        for name in MODEL_COLUMNS:
            column = column_name(model, name)
            columns[column] = _spread(of_model[name], seen, schema.field(column).type)
    return pa.table([columns.get(field.name, pa.nulls(len(pictures), field.type)) for field in schema], schema=schema)


@file_errors()
def write_part(path: Path, table: pa.Table) -> None:
    """Write a part at once: whoever looks finds the whole file or none, whenever this process or its machine ends.

    Raises:
        FileError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")  # a part may be in work twice, as its machine was thought lost
    try:
        with partial.open("wb") as file:
            pq.write_table(table, file, row_group_size=len(table), compression="zstd", use_dictionary=["label", "split", "error"])
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _as_png(grey: NDArray[np.uint8]) -> bytes:
    _, png = cv2.imencode(".png", grey)
    return png.tobytes()


def _spread(values: NDArray[np.floating[Any]], seen: NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """Values ``(N, *shape)`` in the rows that have a face, null in the others; NaN becomes null."""
    everywhere = np.zeros((len(seen), kind.list_size), values.dtype)
    everywhere[seen] = values.reshape(-1, kind.list_size)
    flat = pa.array(everywhere.ravel(), kind.value_type, from_pandas=True)
    return pa.FixedSizeListArray.from_arrays(flat, type=kind, mask=pa.array(~seen))
