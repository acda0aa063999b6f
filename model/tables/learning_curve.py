"""How accuracy grew over the epochs of runs, on training faces and on the validation split, and which epoch was the best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from model.measuring.results import RunResult
from model.tables.layout import METHOD_TITLES, Curve, Group, Row, Table, by_protocol, over_runs

COLUMNS = 6  # epochs shown after the first, about
SERIES = {  # split and figure of a learning curve's entry, by what a row calls it
    "training faces, overall": ("train", "overall"),
    "validation, overall": ("valid", "overall"),
    "validation, mean": ("valid", "mean"),
}
Entries = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True)
class _Followed:
    """One figure of a method's runs: its value in per cent after each epoch, run by run, and the best epoch of each run."""

    method: str
    series: str
    values: list[list[float]]
    best: list[int]

    def row(self, shown: Sequence[int]) -> Row:
        at_best = [of_run[epoch - 1] for of_run, epoch in zip(self.values, self.best, strict=True)]
        cells = [*(over_runs([of_run[epoch - 1] for of_run in self.values]) for epoch in shown), over_runs(at_best)]
        return Row(f"{self.method}: {self.series}", "here", (*cells, over_runs([float(epoch) for epoch in self.best], decimals=0)))

    def curve(self) -> Curve:
        return Curve(self.method, self.series, tuple(fmean(values) for values in zip(*self.values, strict=True)))


def learning_curve_table(runs: Sequence[RunResult], protocol: str) -> Table:
    """Accuracies after some of the epochs and after the best one, and whole curves, averaged over the seeds; runs that recorded none, or
    part of one, are left out.

    Args:
        runs: of one length.
    """
    longest = max(run.epochs for run in runs)
    step = max(1, round(longest / COLUMNS))
    shown = sorted({1, *range(step, longest, step), longest})
    groups = []
    for title, of_protocol in by_protocol(runs).items():
        followed = list(_followed(of_protocol))
        if followed:
            groups.append(Group(title, tuple(each.row(shown) for each in followed), tuple(each.curve() for each in followed)))
    return Table(
        name=f"{protocol}: the learning curve",
        title="Accuracy in per cent after an epoch",
        columns=(*(f"epoch {epoch}" for epoch in shown), "at the best epoch", "best epoch"),
        groups=tuple(groups),
        notes=(
            "Training faces: 1024 of them, not augmented, of the runs that recorded them. All else reports the last epoch.",
            "Best epoch: that with the highest average of overall and mean accuracy on the validation split, of each run.",
            "±: standard deviation over seeds.",
        ),
    )


def _followed(runs: Sequence[RunResult]) -> Iterator[_Followed]:
    for method, title in METHOD_TITLES.items():
        curves = [entries for run in runs if run.method == method and (entries := _entries(run))]
        for series, (split, figure) in SERIES.items():
            whole = [entries for entries in curves if all(figure in entry.get(split, {}) for entry in entries.values())]
            if whole:
                values = [[100 * entries[epoch][split][figure] for epoch in sorted(entries)] for entries in whole]
                yield _Followed(title, series, values, [_best_epoch(entries) for entries in whole])


def _entries(run: RunResult) -> Entries:
    """What was measured after each epoch, by epoch; empty for a run that did not measure the validation split after all of them."""
    entries: dict[Any, Mapping[str, Any]] = {entry["epoch"]: entry for entry in run.learning_curve if "valid" in entry}
    return entries if set(entries) == set(range(1, run.epochs + 1)) else {}


def _best_epoch(entries: Entries) -> int:
    return max(entries, key=lambda epoch: entries[epoch]["valid"]["overall"] + entries[epoch]["valid"]["mean"])
