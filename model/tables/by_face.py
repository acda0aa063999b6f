"""How far each method is from plain training on the same test faces, from the predictions that the result files keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.measuring.bootstrap import Floats, Labels, accuracy_intervals, drawn_accuracies
from model.measuring.results import Predictions, RunResult
from model.tables.layout import METHOD_TITLES, PLAIN, Group, Row, Table, Value, by_protocol, in_per_cent, seeds_text


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
        return np.stack([_right(method) - _right(plain) for method, plain in self.pairs])


def difference_table(results: Sequence[RunResult]) -> Table:
    """Every method less plain training, on the same protocol, seeds and faces; runs without predictions are left out, and counted."""
    comparisons, left_out = _comparisons(results)
    rows: dict[str, list[Row]] = {comparison.protocol: [] for comparison in comparisons}
    for labels in dict.fromkeys(comparison.labels for comparison in comparisons):
        of_split = [comparison for comparison in comparisons if comparison.labels == labels]
        for comparison, row in zip(of_split, _rows(of_split, _digits(labels)), strict=True):
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
        notes=(*notes, missing) if left_out else notes,
    )


def _comparisons(results: Sequence[RunResult]) -> tuple[list[_Comparison], int]:
    """Those that the runs allow, and how many runs have no predictions to compare."""
    comparisons, left_out = [], 0
    for protocol, runs in by_protocol(results).items():
        plain = {run.seed: run.test_predictions for run in runs if run.method == PLAIN}
        for method in METHOD_TITLES:
            of_method = [run for run in runs if run.method == method != PLAIN and run.seed in plain]
            found = {run.seed: (run.test_predictions, plain[run.seed]) for run in of_method}
            pairs = {seed: (own, other) for seed, (own, other) in found.items() if own is not None and other is not None}
            left_out += len(found) - len(pairs)
            if pairs:
                comparisons.append(_Comparison(protocol, method, tuple(pairs), tuple(pairs.values())))
    return comparisons, left_out


def _rows(comparisons: Sequence[_Comparison], labels: Labels) -> list[Row]:
    """Rows of comparisons on one test split, all on one set of draws; ``labels`` (N,)."""
    changes = [comparison.changes() for comparison in comparisons]
    gains = np.stack([change.mean(0) for change in changes], axis=1)
    differences = drawn_accuracies(gains, labels, np.ones((1, len(labels))))
    rows = []
    for place, (comparison, intervals) in enumerate(zip(comparisons, accuracy_intervals(gains, labels), strict=True)):
        seeds = len(comparison.pairs)
        values = [
            Value(100 * float(difference[0, place]), interval=in_per_cent(intervals[name])) for name, difference in differences.items()
        ]
        counts = [Value(float((changes[place] == sign).sum()) / seeds, decimals=int(seeds > 1)) for sign in (1, -1)]
        label = f"{METHOD_TITLES[comparison.method]}, {seeds_text(comparison.seeds)}"
        rows.append(Row(label, "here", (*values, *counts)))
    return rows


def _right(predictions: Predictions) -> Floats:
    right: Floats = (_digits(predictions.labels) == _digits(predictions.predicted)).astype(np.float64)
    return right


def _digits(text: str) -> Labels:
    return np.array([int(digit) for digit in text])
