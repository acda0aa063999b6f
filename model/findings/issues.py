"""``issues.parquet``: what an audit found, one row a finding, the worst of every kind first."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model.auditing.manifest import AuditError
from model.files.atomic_write import replace_file

ISSUES_FILE = "issues.parquet"
ISSUE_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),  # within its kind, from 1
        pa.field("id", pa.string(), nullable=False),  # the picture's name within the source
        pa.field("row", pa.int64(), nullable=False),  # of the picture in the parts, from 0
        pa.field("score", pa.float32(), nullable=False),  # 0..1, comparable within a kind
        pa.field("explanation", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("suggested_label", pa.string()),
        pa.field("split", pa.string()),
        pa.field("related", pa.list_(pa.string()), nullable=False),  # other pictures concerned, the first of them
        pa.field("detection_score", pa.float32()),  # null where no detector ran, or it found no face
    ]
)


@dataclass(frozen=True)
class Issue:
    """One finding about the picture of a ``row``; ``score`` in 0..1, comparable within a ``kind``; ``related`` names other pictures."""

    kind: str
    row: int
    score: float
    explanation: str
    suggested_label: str | None = None
    related: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """What an issue's row in the file says of its picture."""

    id: str
    label: str | None
    split: str | None
    detection_score: float | None


def write_issues(directory: Path, ranked: Iterable[tuple[Issue, Picture]]) -> pa.Table:
    """Write the issues of every kind, each kind's in the order given, and return them.

    The file goes by rank, so that its first rows are the worst of every kind.
    """
    seen: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for issue, picture in ranked:
        seen[issue.kind] += 1
        rows.append(
            {
                "kind": issue.kind,
                "rank": seen[issue.kind],
                "id": picture.id,
                "row": issue.row,
                "score": issue.score,
                "explanation": issue.explanation,
                "label": picture.label,
                "suggested_label": issue.suggested_label,
                "split": picture.split,
                "related": issue.related,
                "detection_score": picture.detection_score,
            }
        )
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: row["rank"]), ISSUE_SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    replace_file(directory / ISSUES_FILE, buffer.getvalue())
    return table


def read_issues(directory: Path) -> pa.Table:
    """The issues of an audit's folder.

    Raises:
        AuditError: there are none yet, or the file is another.
    """
    path = directory / ISSUES_FILE
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise AuditError(f"{path} cannot be read: unturned audit --report FOLDER writes it") from error
    if not table.schema.equals(ISSUE_SCHEMA):
        raise AuditError(f"{path} has other columns than this version writes: unturned audit --report FOLDER writes it anew")
    return table
