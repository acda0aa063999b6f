"""Paired differences from plain training, on predictions worked out by hand."""

from __future__ import annotations

import pytest
from scipy.stats import norm

from model.measuring.results import RunResult
from model.tables.by_face import difference_table
from model.tables.formats import format_value
from tests.made_results import make_predicted_result, make_result

LABELS = "0000011"


def run(method: str, predicted: str, labels: str = LABELS, seed: int = 1, imbalance: str = "original") -> RunResult:
    return make_predicted_result(labels, predicted, method=method, seed=seed, imbalance=imbalance)


def cells(runs: list[RunResult]) -> dict[str, list[str]]:
    """The rows' text by group and label, without the intervals."""
    table = difference_table(runs)
    return {
        f"{group.title}: {row.label}": [format_value(value).split(" ")[0] for value in row.values]
        for group in table.groups
        for row in group.rows
    }


def test_a_difference_by_hand() -> None:
    # plain: 4 of 5 and 0 of 2 right; CB: 3 of 5 and 2 of 2. Overall 5/7 - 4/7 = 1/7; mean (.6 + 1) / 2 - (.8 + 0) / 2 = .4.
    # CB alone is right on the fifth and on both of class 1, plain alone on the first two.
    assert cells([run("baseline", "0000100"), run("cb", "1100011")]) == {
        "FERPlus, all training faces: CB, seed 1": ["14.29", "40.00", "3", "2"],
    }


def test_seeds_are_paired_with_their_own_and_averaged() -> None:
    seeds = [run("baseline", "0000100"), run("cb", "1100011"), run("baseline", LABELS, seed=2), run("cb", "0000010", seed=2)]
    # seed 2 loses one face of class 1: -1/7 overall, -.25 mean; a third seed without plain training pairs with nothing
    assert cells([*seeds, run("cb", LABELS, seed=3)]) == {"FERPlus, all training faces: CB, seeds 1, 2": ["0.00", "7.50", "1.5", "1.5"]}


def test_protocols_are_not_mixed_and_follow_the_factor() -> None:
    runs = [run(method, LABELS, imbalance=factor) for factor in ("150", "50", "original") for method in ("cb", "baseline")]
    assert list(cells(runs)) == [
        "FERPlus, all training faces: CB, seed 1",
        "FERPlus, imbalance factor 50: CB, seed 1",
        "FERPlus, imbalance factor 150: CB, seed 1",
    ]
    assert cells([run("baseline", LABELS, imbalance="50"), run("cb", LABELS)]) == {}


def test_runs_without_predictions_are_counted() -> None:
    table = difference_table([run("baseline", "0000100"), run("cb", "1100011"), make_result(method="scn"), make_result(method="eac")])
    assert [row.label for row in table.groups[0].rows] == ["CB, seed 1"]
    assert table.notes[-1].startswith("2 runs are not shown")
    assert not any("not shown" in note for note in difference_table([run("baseline", LABELS), run("cb", LABELS)]).notes)


def test_the_interval_is_that_of_paired_faces() -> None:
    """Both are right on half of 2000 faces, and differ on 200: unpaired, the interval would be three times as wide."""
    labels = "0" * 2000
    plain, other = "0" * 1000 + "1" * 1000, "1" * 80 + "0" * 920 + "0" * 120 + "1" * 880
    (row,) = difference_table([run("baseline", plain, labels), run("cb", other, labels)]).groups[0].rows
    overall = row.values[0]

    assert overall is not None and overall.interval is not None
    assert overall.number == pytest.approx(2.0)  # 120 gained, 80 lost
    error = 100 * ((200 / 2000 - 0.02**2) / 2000) ** 0.5
    assert overall.interval == pytest.approx((2.0 + norm.ppf(0.025) * error, 2.0 + norm.ppf(0.975) * error), abs=0.1)


def test_test_splits_of_two_data_sets_are_drawn_apart() -> None:
    other = [make_predicted_result("0123", said, method=method, dataset="rafdb") for method, said in (("baseline", "0120"), ("cb", "0123"))]
    assert cells([run("baseline", "0000100"), run("cb", "1100011"), *other]) == {
        "FERPlus, all training faces: CB, seed 1": ["14.29", "40.00", "3", "2"],
        "RAF-DB, all training faces: CB, seed 1": ["25.00", "25.00", "1", "0"],
    }
