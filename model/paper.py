"""The paper's tables as data: their layout, the printed values, and the misprints known. Printed values are kept as printed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.expressions import EXPRESSIONS

PAPER_FILE = Path(__file__).with_name("paper_tables.json")
SUMMARIES = ("overall", "mean")


class _PrintedRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PaperRow(_PrintedRecord):
    """A method's printed accuracies in per cent: the classes in the table's order, then overall and mean.

    ``flags`` says by column what is known to be wrong with a printed value.
    """

    method: str
    values: tuple[float, ...]
    flags: dict[str, str] = Field(default_factory=dict)


class PaperSection(_PrintedRecord):
    """The rows of one imbalance protocol."""

    imbalance: str
    rows: tuple[PaperRow, ...]


class AccuracyTable(_PrintedRecord):
    """Table 1, 2 or 3; ``classes`` are in the table's order, ``test_faces`` beside them."""

    number: int
    title: str
    dataset: str
    classes: tuple[str, ...]
    test_faces: tuple[int, ...]
    notes: tuple[str, ...]
    sections: tuple[PaperSection, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the accuracy columns."""
        return (*self.classes, *SUMMARIES)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        _require_classes(self.classes)
        rows = [row for section in self.sections for row in section.rows]
        if len(self.test_faces) != len(self.classes) or any(len(row.values) != len(self.columns) for row in rows):
            raise ValueError(f"table {self.number}: every row needs {len(self.columns)} values")
        if any(set(row.flags) - set(self.columns) for row in rows):
            raise ValueError(f"table {self.number}: a flag names no column")
        return self


class CountRow(_PrintedRecord):
    """Training faces of each class under a protocol; ``mu`` is the decay that gives them, None where there is none."""

    imbalance: str
    counts: tuple[int, ...]
    total: int
    mu: float | None
    flags: dict[str, str] = Field(default_factory=dict)


class CountTable(_PrintedRecord):
    """Table 4 or 5."""

    number: int
    title: str
    dataset: str
    classes: tuple[str, ...]
    rows: tuple[CountRow, ...]

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        _require_classes(self.classes)
        if any(len(row.counts) != len(self.classes) for row in self.rows):
            raise ValueError(f"table {self.number}: every row needs {len(self.classes)} counts")
        return self


class PaperTables(_PrintedRecord):
    """Everything in ``paper_tables.json``; ``known`` says where its values come from."""

    paper: str
    known: str
    accuracy_tables: tuple[AccuracyTable, ...]
    count_tables: tuple[CountTable, ...]

    def accuracy_table(self, number: int) -> AccuracyTable:
        """Table 1, 2 or 3.

        Raises:
            ValueError: another number.
        """
        for table in self.accuracy_tables:
            if table.number == number:
                return table
        raise ValueError(
            f"there is no Table {number} of accuracies: choose one of {', '.join(str(t.number) for t in self.accuracy_tables)}"
        )


@cache
def paper_tables() -> PaperTables:
    """The paper's tables."""
    return PaperTables.model_validate_json(PAPER_FILE.read_bytes())


def published_counts(dataset: str, imbalance: str) -> dict[str, int] | None:
    """Training faces of each class in Table 4 or 5; None for an imbalance factor that the paper does not have."""
    for table in paper_tables().count_tables:
        for row in table.rows:
            if (table.dataset, row.imbalance) == (dataset, imbalance):
                return dict(zip(table.classes, row.counts, strict=True))
    return None


def _require_classes(classes: tuple[str, ...]) -> None:
    if sorted(classes) != sorted(EXPRESSIONS):
        raise ValueError(f"the classes must be {', '.join(EXPRESSIONS)}, in any order")
