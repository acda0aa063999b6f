"""Difficulty against count, and what SCN did to labels, on runs worked out by hand."""

from __future__ import annotations

import math

import pytest

from model.expressions import EXPRESSIONS
from model.measuring.results import RunResult
from model.tables.difficulty_and_drift import difficulty_table, pairs_out_of_order, predicted_share, rank_correlation, relabelling_table
from model.tables.formats import format_value
from tests.made_results import make_result, make_result_fields


def test_rank_correlation_by_hand_equal_values_sharing_their_rank() -> None:
    # ranks 1 2 3 4 and 1 4 2.5 2.5; about their mean the products sum to 1.5, the squares to 5 and 4.5: 1.5 / sqrt(22.5)
    assert rank_correlation([1, 2, 3, 4], [10.0, 30.0, 20.0, 20.0]) == pytest.approx(0.1**0.5)


def test_a_constant_has_no_rank_correlation() -> None:
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))


def test_pairs_out_of_order_by_hand() -> None:
    # counts fall; accuracies .9 .8 .95 .5: the third class beats the two before it
    assert pairs_out_of_order([40, 30, 20, 10], [0.9, 0.8, 0.95, 0.5]) == 2
    # equal counts or equal accuracies are in no wrong order
    assert pairs_out_of_order([40, 40, 10], [0.5, 0.9, 0.5]) == 0


def test_predictions_for_each_labelled_face() -> None:
    # one face a class; all classes but fear and disgust are right, those two are called neutral
    result = make_result(right=EXPRESSIONS[:5])

    assert predicted_share(result, "neutral") == 3.0
    assert predicted_share(result, "happiness") == 1.0
    assert predicted_share(result, "fear") == 0.0


def test_difficulty_rows_follow_the_methods_order_and_group_protocols() -> None:
    runs = [
        make_result(method="mek"),
        make_result(method="baseline", right=EXPRESSIONS[2:]),
        make_result(method="baseline", imbalance="50"),
    ]
    table = difficulty_table(runs)

    assert [(group.title, [row.label for row in group.rows]) for group in table.groups] == [
        ("FERPlus, all training faces", ["Baseline", "MEK (the paper's Ours)"]),
        ("FERPlus, imbalance factor 50", ["Baseline"]),
    ]
    # the two most frequent classes are wrong, the five others right: 2 x 5 pairs out of order
    assert format_value(table.groups[0].rows[0].values[1]) == "10.0"


def test_label_changes_of_scn_are_read_from_the_last_epoch() -> None:
    fields = make_result_fields(method="scn", imbalance="100", seed=2)
    moved = {"to_frequent": 30.0, "to_rare": 4.0, "labelled_fear": 500.0, "labelled_disgust": 90.0}
    fields["learning_curve"] = [{"epoch": 1, "to_frequent": 0.0, "to_rare": 0.0}, {"epoch": 2, **moved}]
    table = relabelling_table([RunResult(**fields), make_result()])

    ((title, row),) = [(group.title, row) for group in table.groups for row in group.rows]
    assert (title, row.label) == ("FERPlus, imbalance factor 100", "seed 2")
    assert [format_value(value) for value in row.values] == ["24941", "30", "4", "532", "500", "119", "90"]
