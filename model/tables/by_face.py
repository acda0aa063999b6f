"""How far each method is from plain training on the same test faces, from the predictions that the result files keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.measuring.bootstrap import Floats, Interval, Labels, accuracy_intervals, drawn_accuracies
from model.measuring.results import Predictions, RunResult
from model.methods.settings import PLAIN
from model.tables.layout import (
    METHOD_TITLES,
    Group,
    Row,
    Table,
    Value,
    by_protocol,
    in_per_cent,
    paired_with_plain,
    precision_notes,
    seeds_text,
)


@dataclass(frozen=True)
class Change:
    """Points gained or lost, and their 95% interval over the test faces; None for a printed figure, which has none."""

    points: float
    interval: Interval | None = None


@dataclass(frozen=True)
class _Comparison:
    """A method in a protocol: what its predictions, seed by seed, and those of plain training are."""

    protocol: str
    method: str
    seeds: tuple[int, ...]
    pairs: tuple[tuple[Predictions, Predictions], ...]

    @property
    def labels(self) -> str:
        return self.pairs[0][0].labels

    def changes(self) -> Floats:
        """(seeds, N): 1 where only the method names a face right, -1 where only plain training does, else 0."""
        return np.stack([method.right - plain.right for method, plain in self.pairs])


def difference_table(results: Sequence[RunResult]) -> Table:
    """Every method less plain training, on the same protocol, seeds and faces; runs without predictions are left out, and counted."""
    comparisons, left_out = _comparisons(results)
    rows: dict[str, list[Row]] = {comparison.protocol: [] for comparison in comparisons}
    for labels in dict.fromkeys(comparison.labels for comparison in comparisons):
        of_split = [comparison for comparison in comparisons if comparison.labels == labels]
        for comparison, row in zip(of_split, _rows(of_split), strict=True):
            rows[comparison.protocol].append(row)
    notes = (
        "Overall and mean accuracy less those of plain training with the same data and seed, in points; with several seeds, their mean.",
        "Brackets: 95% bootstrap interval over the test faces, both methods on the same draws; it knows nothing of other seeds.",
        "Gained: test faces that only the method names right; lost: those that only plain training does.",
    )
    missing = f"{left_out} runs are not shown: they, or plain training beside them, are from before predictions were kept."
    return Table(
        name="Distance from plain training",
        title="What each method adds to plain training on the same test faces. Not in the paper's tables",
        columns=("overall", "mean", "gained", "lost"),
        groups=tuple(Group(protocol, tuple(of_protocol)) for protocol, of_protocol in rows.items()),
        notes=(*notes, *precision_notes(results), *([missing] if left_out else [])),
    )


def _comparisons(results: Sequence[RunResult]) -> tuple[list[_Comparison], int]:
    """Those that the runs allow, and how many runs have no predictions to compare."""
    comparisons, left_out = [], 0
    for protocol, runs in by_protocol(results).items():
        for method in (name for name in METHOD_TITLES if name != PLAIN):
            runs_of_both = paired_with_plain(runs, method)
            found = {own.seed: (own.test_predictions, other.test_predictions) for own, other in runs_of_both}
            pairs = {seed: (own, other) for seed, (own, other) in found.items() if own is not None and other is not None}
            left_out += len(found) - len(pairs)
            if pairs:
                comparisons.append(_Comparison(protocol, method, tuple(pairs), tuple(pairs.values())))
    return comparisons, left_out


def accuracy_changes(gains: Floats, labels: Labels) -> list[dict[str, Change]]:
    """Change of overall and mean accuracy for every column of ``gains`` (N, K), all on one set of draws.

    Args:
        gains: what a method names right, 1 or 0, less what plain training does; with several seeds, their mean.
        labels: ``(N,)``.
    """
    whole = drawn_accuracies(gains, labels, np.ones((1, len(labels))))
    return [
        {name: Change(100 * float(whole[name][0, column]), in_per_cent(interval)) for name, interval in intervals.items()}
        for column, intervals in enumerate(accuracy_intervals(gains, labels))
    ]


def _rows(comparisons: Sequence[_Comparison]) -> list[Row]:
    """Rows of comparisons on one test split."""
    of_faces = [comparison.changes() for comparison in comparisons]
    labels = comparisons[0].pairs[0][0].label_indices
    found = accuracy_changes(np.stack([of_seeds.mean(0) for of_seeds in of_faces], axis=1), labels)
    rows = []
    for comparison, of_seeds, changes in zip(comparisons, of_faces, found, strict=True):
        seeds = len(comparison.pairs)
        values = [Value(change.points, interval=change.interval) for change in changes.values()]
        counts = [Value(float((of_seeds == sign).sum()) / seeds, decimals=int(seeds > 1)) for sign in (1, -1)]
        label = f"{METHOD_TITLES[comparison.method]}, {seeds_text(comparison.seeds)}"
        rows.append(Row(label, "here", (*values, *counts)))
    return rows
