"""``unturned audit``'s last step, and all of ``unturned audit --report DIR``: issues.parquet and report.html."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.auditing.parts import Audit
from model.expressions import EXPRESSIONS
from model.findings.confident_learning import Floats
from model.findings.faces import UNLABELLED, AuditedFaces, face_pictures, read_audited_faces
from model.findings.finders import find_issues
from model.findings.issues import ISSUES_FILE, Picture, write_issues
from model.findings.report import REPORT_FILE, Summary, write_report

TRAINING_SPLITS = frozenset(["train", "training"])  # in whatever case


@dataclass(frozen=True)
class Found:
    """What was written and found, in a line, and what the user should know of how."""

    told: str
    warning: str | None


def write_findings(directory: Path, cross_fit: int | None = None) -> Found:
    """Find, and write ``issues.parquet`` and ``report.html`` into an audit's folder.

    Args:
        cross_fit: number of folds by whose classifiers labels are judged; None to judge them by the audited models.

    Raises:
        AuditError: the audit is not whole, or cannot be read.
        InputError: the folds are too few or too many, or what cross-fitting needs is not installed.
    """
    audit = Audit(directory)
    faces = read_audited_faces(audit)
    probabilities = faces.two_views[faces.labelled] if cross_fit is None else _cross_fitted(audit, faces, cross_fit)
    issues = list(find_issues(faces, probabilities))
    table = write_issues(directory, ((issue, _picture(faces, issue.row)) for issue in issues))
    summary = Summary(
        source=audit.manifest.source,
        models=tuple(model.checkpoint for model in audit.manifest.models),
        pictures=len(faces),
        labelled=len(faces.labelled),
        judged_by=_judges(cross_fit),
        warning=_warning(faces) if cross_fit is None else None,
        counts=dict(Counter(issue.kind for issue in issues)),
    )
    write_report(audit, table, summary)
    counted = [f"{count:,} {kind}" for kind, count in summary.counts.items()]
    return Found(f"{directory / ISSUES_FILE}, {directory / REPORT_FILE}: {', '.join(counted) or 'nothing found'}", summary.warning)


def _cross_fitted(audit: Audit, faces: AuditedFaces, count: int) -> Floats:
    """Probabilities of the labelled faces, each from a classifier that has not seen it."""
    from model.findings.cross_fit import cross_fitted, features_of, folds_of

    rows = faces.labelled
    folds = folds_of(faces.copies.group[rows].tolist(), count)
    return cross_fitted(features_of(labelled_pictures(audit, rows), len(rows)), faces.labels[rows], folds)


def labelled_pictures(audit: Audit, rows: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
    """The pictures of some rows, in order, part by part."""
    wanted, start = set(rows.tolist()), 0
    for table in audit.tables(["face"]):
        pictures = [picture for row, picture in enumerate(face_pictures(table), start) if row in wanted]
        start += len(table)
        if pictures:
            yield np.array(pictures, dtype=np.uint8)


def _judges(cross_fit: int | None) -> str:
    if cross_fit is None:
        return "the audited models, both views averaged"
    return f"classifiers of {cross_fit} folds, none of which had seen the face"


def _warning(faces: AuditedFaces) -> str | None:
    """That faces were judged by models that may have learnt their labels, where any were."""
    rows = faces.labelled
    may_be_learnt = sum(_may_be_of_training(faces.splits[row]) for row in rows)
    if not may_be_learnt:
        return None
    return (
        f"the labels of {may_be_learnt:,} of {len(rows):,} faces were judged by models that may have been trained on them, "
        "which hides wrong ones: --cross-fit 5 judges each by a classifier that has not seen it"
    )


def _may_be_of_training(split: str | None) -> bool:
    return split is None or split.strip().lower() in TRAINING_SPLITS


def _picture(faces: AuditedFaces, row: int) -> Picture:
    label, score = int(faces.labels[row]), float(faces.detection_scores[row])
    return Picture(
        id=faces.ids[row],
        label=None if label == UNLABELLED else EXPRESSIONS[label],
        split=faces.splits[row],
        detection_score=None if np.isnan(score) else score,
    )
