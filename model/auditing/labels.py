"""The labels that an audit holds the models' answers against: a table of the user's, or FERPlus's own."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

from model.auditing.manifest import AuditError
from model.data.ferplus import VOTES_FILE, ferplus_labels
from model.expressions import EXPRESSIONS, expression_named

Labels = dict[str, tuple[str | None, str | None]]  # :func:`label_key` of a picture to its label and split; None where there is none


def read_labels(path: Path) -> Labels:
    """Label and split by picture.

    Args:
        path: a CSV file with the columns ``id`` and ``label``, and perhaps ``split``; or FERPlus, a zip or a folder with its
            ``fer2013new.csv``, whose majority rule gives the labels.

    Raises:
        AuditError: it is neither, or names no picture, or a label is no expression, or a picture has two.
    """
    if path.suffix.lower() == ".zip" or (path / VOTES_FILE).is_file():
        return ferplus_labels(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _from_table(path, csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AuditError(f"{path}: cannot be read ({error}): give a CSV file with the columns id, label and perhaps split") from error


def label_key(picture: str) -> str:
    """What stands for a picture's id in :data:`Labels`: the same for an accented letter as one character and as two, as macOS has them."""
    return unicodedata.normalize("NFC", picture)


def check_label(label: str | None, where: str) -> str | None:
    """The expression of a label as it stands in a table; None where it is blank.

    Raises:
        AuditError: it is no expression.
    """
    if not label:
        return None
    expression = expression_named(label)
    if expression is None:
        known = ", ".join(EXPRESSIONS)
        raise AuditError(f"{where}: the label {label!r} is none of {known}: rename it, leave it blank, or give --labels a table of others")
    return expression


def _from_table(path: Path, table: csv.DictReader[str]) -> Labels:
    missing = {"id", "label"} - set(table.fieldnames or ())
    if missing:
        raise AuditError(f"{path} lacks the column {' and '.join(sorted(missing))}: it needs id and label, and may have split")
    labels: Labels = {}
    for row in table:
        if not row["id"]:
            raise AuditError(f"{path}, line {table.line_num}: the row has no id: add it, or delete the row")
        said = (check_label(row["label"], f"{path}, line {table.line_num}"), row.get("split") or None)
        if labels.setdefault(label_key(row["id"]), said) != said:
            raise AuditError(
                f"{path}, line {table.line_num}: {row['id']} stands there twice, with another label or split: keep one of them"
            )
    if not labels:
        raise AuditError(f"{path} names no picture: it needs a row for each picture with a label")
    return labels
