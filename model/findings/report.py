"""``report.html``: the worst of every kind with their faces, in one file that needs nothing else."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, FileSystemLoader

from model.auditing.parts import Audit
from model.files.atomic_write import replace_file
from model.findings.finders import KINDS, LISTED_SHARE
from model.findings.issues import ISSUES_FILE

REPORT_FILE = "report.html"
SHOWN = 60  # of each kind


@dataclass(frozen=True)
class Summary:
    """The head of a report: ``models`` and ``judged_by`` say who judged, ``counts`` how many issues of each kind there are."""

    source: str
    models: tuple[str, ...]
    pictures: int
    labelled: int
    judged_by: str
    warning: str | None
    counts: dict[str, int]


def kind_sentence(kind: str) -> str:
    """What a kind of issue is, in a sentence."""
    if kind.startswith("hidden_"):
        return KINDS["hidden"].replace("a minor class", kind.removeprefix("hidden_"))
    return KINDS[kind]


def write_report(audit: Audit, issues: pa.Table, summary: Summary) -> None:
    """Write the report of an audit's issues beside them."""
    worst = issues.filter(pc.less_equal(issues.column("rank"), SHOWN)).to_pylist()
    pictures = face_files(audit, (issue["row"] for issue in worst))
    kinds: dict[str, list[dict[str, Any]]] = {kind: [] for kind in summary.counts}
    for issue in worst:
        content = pictures.get(issue["row"])
        address = None if content is None else f"data:image/png;base64,{base64.b64encode(content).decode()}"
        kinds[issue["kind"]].append(issue | {"picture": address})
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.get_template("report.html.jinja").render(
        summary=summary,
        kinds=kinds,
        sentences={kind: kind_sentence(kind) for kind in kinds},
        shown=SHOWN,
        listed_share=LISTED_SHARE,
        issues_file=ISSUES_FILE,
    )
    replace_file(audit.directory / REPORT_FILE, page.encode())


def face_files(audit: Audit, rows: Iterable[int]) -> dict[int, bytes]:
    """The faces of some rows of a whole audit, as PNG; only the parts that hold them are read. A row without a face is left out."""
    wanted: defaultdict[int, list[int]] = defaultdict(list)
    for row in set(rows):
        wanted[row // audit.manifest.settings.shard_rows].append(row)
    found = {}
    for number, members in wanted.items():
        faces = audit.part(number, ["face"]).column("face")
        for row in members:
            content = faces[row % audit.manifest.settings.shard_rows].as_py()
            if content is not None:
                found[row] = content
    return found
