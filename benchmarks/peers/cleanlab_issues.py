"""This project's label issues beside those of cleanlab, an entry of the extra `peers`, on the same probabilities and labels.

python -m benchmarks.peers.cleanlab_issues --audit DIR --data datasets/ferplus.zip
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from app.numbers import decimal
from benchmarks.audit_findings import Bools, Trial, inverse_margin, markdown, read_faces, trials
from model.auditing.parts import Audit
from model.findings.confident_learning import Floats, doubt, label_issues
from model.findings.faces import read_audited_faces


def peer_issues(probabilities: Floats, trial: Trial, rule: str) -> Bools:
    """Which labels cleanlab lists under one of its rules."""
    return np.asarray(find_label_issues(trial.labels, probabilities, filter_by=rule, n_jobs=1), dtype=bool)


def largest_differences(probabilities: Floats, tried: Sequence[Trial]) -> tuple[float, float]:
    """How far the scores of both are apart at most: by the label's probability, and by the normalised margin."""
    pairs = [("self_confidence", doubt), ("normalized_margin", inverse_margin)]
    first, second = (
        max(
            float(np.abs(1 - ours(probabilities, trial.labels) - get_label_quality_scores(trial.labels, probabilities, method=name)).max())
            for trial in tried
        )
        for name, ours in pairs
    )
    return first, second


def _row(setting: str, name: str, tried: Sequence[Trial], listed: Sequence[Bools]) -> list[str]:
    precision = np.mean([trial.wrong[issues].mean() for issues, trial in zip(listed, tried, strict=True)])
    recall = np.mean([issues[trial.wrong].mean() for issues, trial in zip(listed, tried, strict=True)])
    return [setting, name, f"{np.mean([issues.sum() for issues in listed]):.0f}", decimal(float(precision)), decimal(float(recall))]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--audit", type=Path, required=True, help="folder of an audit of FERPlus, whole pictures, with its own labels")
    parser.add_argument("--data", type=Path, required=True, help="the same FERPlus, for its votes")
    parser.add_argument("--seeds", type=int, default=5, help="times labels are flipped or drawn [%(default)s]")
    arguments = parser.parse_args()
    audit = Audit(arguments.audit)
    faces = read_faces(audit, read_audited_faces(audit), arguments.data, "test")
    probabilities = faces.two_views["mean of all"]
    settings = trials(faces, arguments.seeds)
    rows = []
    for setting, tried in settings.items():
        rows.append(_row(setting, "unturned", tried, [label_issues(probabilities, trial.labels).wrong for trial in tried]))
        rows += [
            _row(setting, f"cleanlab, {rule}", tried, [peer_issues(probabilities, trial, rule) for trial in tried])
            for rule in ("confident_learning", "prune_by_noise_rate")
        ]
    print(markdown(["labels", "listed by", "listed", "of them wrong", "of the wrong ones listed"], rows))
    confidence, margin = largest_differences(probabilities, [trial for tried in settings.values() for trial in tried])
    print(f"\nLargest difference of a score: {confidence:.1e} by the label's probability, {margin:.1e} by the normalised margin.")


if __name__ == "__main__":
    main()
