"""An audit that `unturned audit` wrote, for its page: the findings in an order, and the faces they are about. Needs the extra `audit`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from model.auditing.parts import Audit
from model.findings.issues import read_issues
from model.findings.report import face_files

if TYPE_CHECKING:
    from pathlib import Path

PAGE_ISSUES = 48
FACELESS_KINDS = ("no_face", "unreadable")  # with the score 1; a picture taken whole for want of a face has less, and is kept


class Order(StrEnum):
    """What findings are sorted by."""

    RANK = "rank"
    SCORE = "score"
    NAME = "name"


_SORT_KEYS = {
    Order.RANK: [("rank", "ascending"), ("kind", "ascending")],
    Order.SCORE: [("score", "descending"), ("rank", "ascending")],
    Order.NAME: [("id", "ascending"), ("kind", "ascending")],
}


class AuditBrowser:
    """The findings of an audit, kept; its faces are read from the parts as they are asked for."""

    def __init__(self, folder: Path) -> None:
        """Read the findings.

        Raises:
            AuditError: the folder holds no whole audit with findings.
        """
        self._audit = Audit(folder)
        self._issues: pa.Table = read_issues(folder)
        without_face = pc.and_(pc.is_in(self._issues.column("kind"), pa.array(FACELESS_KINDS)), pc.equal(self._issues.column("score"), 1))
        self._faceless = frozenset(self._issues.filter(without_face).column("row").to_pylist())

    @property
    def kinds(self) -> dict[str, int]:
        """How many findings there are of each kind."""
        counted = pc.value_counts(self._issues.column("kind")).to_pylist()
        return {entry["values"]: entry["counts"] for entry in counted}

    def find(self, kind: str | None, order: Order, page: int) -> tuple[int, list[dict[str, Any]]]:
        """How many findings there are of a kind, or of all, and those of a page, counted from 1; ``seen``: whether a face is kept."""
        chosen = self._issues if kind is None else self._issues.filter(pc.equal(self._issues.column("kind"), kind))
        start = (page - 1) * PAGE_ISSUES
        issues = chosen.sort_by(_SORT_KEYS[order]).slice(start, PAGE_ISSUES).to_pylist()
        return len(chosen), [issue | {"seen": issue["row"] not in self._faceless} for issue in issues]

    def facts(self, row: int) -> dict[str, Any] | None:
        """Name, label and findings of the picture of a row; None where nothing was found about it."""
        found = self._issues.filter(pc.equal(self._issues.column("row"), row)).to_pylist()
        if not found:
            return None
        return {"name": found[0]["id"], "label": found[0]["label"], "said": [issue["explanation"] for issue in found]}

    def picture(self, row: int) -> bytes | None:
        """The face of a row, 48x48 grey as PNG; None where there is none, or nothing was found about it."""
        return None if self.facts(row) is None else face_files(self._audit, [row]).get(row)
