"""Curves over the epochs, worked out by hand: three epochs of two seeds."""

from __future__ import annotations

from typing import Any

from model.measuring.results import RunResult
from model.tables.formats import format_value
from model.tables.layout import Table
from model.tables.learning_curve import learning_curve_table
from tests.made_results import make_result_fields


def run(curve: list[dict[str, Any]], epochs: int = 3, seed: int = 1) -> RunResult:
    return RunResult(**make_result_fields(epochs=epochs, seed=seed) | {"learning_curve": curve})


def entry(epoch: int, overall: float, mean: float, seen: float | None = None) -> dict[str, Any]:
    train = {} if seen is None else {"train": {"overall": seen}}
    return {"epoch": epoch, "valid": {"overall": overall, "mean": mean}} | train


def shown(table: Table) -> dict[str, list[str]]:
    return {row.label: ["" if value is None else format_value(value) for value in row.values] for row in table.groups[0].rows}


def test_the_best_epoch_is_of_each_run_and_by_both_accuracies() -> None:
    first = [entry(1, 0.5, 0.4, 0.6), entry(2, 0.8, 0.7, 0.9), entry(3, 0.82, 0.6, 1.0)]  # the second is best: .75 against .71
    second = [entry(1, 0.6, 0.5, 0.6), entry(2, 0.7, 0.6, 0.8), entry(3, 0.8, 0.7, 0.9)]
    table = learning_curve_table([run(first), run(second, seed=2)], "3 epochs")
    assert table.columns == ("epoch 1", "epoch 2", "epoch 3", "at the best epoch", "best epoch")
    assert shown(table) == {
        "Baseline: training faces, overall": ["60.00 ± 0.00", "85.00 ± 7.07", "95.00 ± 7.07", "90.00 ± 0.00", "2 ± 1"],
        "Baseline: validation, overall": ["55.00 ± 7.07", "75.00 ± 7.07", "81.00 ± 1.41", "80.00 ± 0.00", "2 ± 1"],
        "Baseline: validation, mean": ["45.00 ± 7.07", "65.00 ± 7.07", "65.00 ± 7.07", "70.00 ± 0.00", "2 ± 1"],
    }


def test_a_curve_that_was_not_followed_throughout_has_no_row() -> None:
    without_train = [entry(1, 0.5, 0.4), entry(2, 0.6, 0.5), entry(3, 0.7, 0.6)]
    assert list(shown(learning_curve_table([run(without_train)], "3 epochs"))) == [
        "Baseline: validation, overall",
        "Baseline: validation, mean",
    ]
    assert learning_curve_table([run(without_train[:2])], "3 epochs").groups == ()


def test_a_long_run_shows_every_tenth_epoch_and_its_ends() -> None:
    columns = learning_curve_table([run([entry(epoch, 0.5, 0.5) for epoch in range(1, 63)], epochs=62)], "62 epochs").columns
    assert columns[:8] == ("epoch 1", "epoch 10", "epoch 20", "epoch 30", "epoch 40", "epoch 50", "epoch 60", "epoch 62")
