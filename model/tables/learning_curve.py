"""How accuracy grew over the epochs of runs, on training faces and on the validation split, and which epoch was the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.measuring.results import RunResult
from model.tables.layout import METHOD_TITLES, Group, Row, Table, by_protocol, over_runs

COLUMNS = 6  # epochs shown after the first, about
SERIES = {  # split and figure of a learning curve's entry, by what a row calls it
    "training faces, overall": ("train", "overall"),
    "validation, overall": ("valid", "overall"),
    "validation, mean": ("valid", "mean"),
}


def learning_curve_table(runs: Sequence[RunResult], protocol: str) -> Table:
    """Accuracies after some of the epochs and after the best one; runs that recorded none, or part of one, have no row.

    Args:
        runs: of one length.
    """
    longest = max(run.epochs for run in runs)
    step = max(1, round(longest / COLUMNS))
    shown = sorted({1, *range(step, longest, step), longest})
    groups = [Group(title, tuple(_rows(of_protocol, shown))) for title, of_protocol in by_protocol(runs).items()]
    return Table(
        name=f"{protocol}: the learning curve",
        title="accuracy in per cent after an epoch",
        columns=(*(f"epoch {epoch}" for epoch in shown), "at the best epoch", "best epoch"),
        groups=tuple(group for group in groups if group.rows),
        notes=(
            "Training faces: 1024 of them, as they are, without augmentation. All else here reports the last epoch.",
            "Best epoch: that with the highest average of overall and mean accuracy on the validation split, of each run.",
            "±: standard deviation over seeds.",
        ),
    )


def _rows(runs: Sequence[RunResult], shown: Sequence[int]) -> list[Row]:
    rows = []
    for method, title in METHOD_TITLES.items():
        curves = [curve for run in runs if run.method == method and (curve := _curve(run))]
        for label, (split, figure) in SERIES.items():
            followed = [curve for curve in curves if all(figure in entry.get(split, {}) for entry in curve.values())]
            if followed:
                best = [_best_epoch(curve) for curve in followed]
                values = (
                    *(over_runs([100 * curve[epoch][split][figure] for curve in followed]) for epoch in shown),
                    over_runs([100 * curve[epoch][split][figure] for curve, epoch in zip(followed, best, strict=True)]),
                    over_runs([float(epoch) for epoch in best], decimals=0),
                )
                rows.append(Row(f"{title}: {label}", "here", values))
    return rows


def _curve(run: RunResult) -> dict[int, Mapping[str, Any]]:
    """What was measured after each epoch, by epoch; empty for a run that did not measure the validation split after all of them."""
    curve: dict[Any, Mapping[str, Any]] = {entry["epoch"]: entry for entry in run.learning_curve if "valid" in entry}
    return curve if set(curve) == set(range(1, run.epochs + 1)) else {}


def _best_epoch(curve: Mapping[int, Mapping[str, Any]]) -> int:
    return max(curve, key=lambda epoch: curve[epoch]["valid"]["overall"] + curve[epoch]["valid"]["mean"])
