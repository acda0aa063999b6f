"""Result files: what is refused, and that nothing changes on the way through a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from model.expressions import EXPRESSIONS
from model.measuring.bootstrap import accuracy_intervals, draw_counts, mean_intervals, percentile_interval, weighted_mean
from model.measuring.results import Predictions, ResultError, RunResult, load_result, load_results, result_path, save_result
from tests.made_results import make_predicted_result, make_result, make_result_fields


def test_a_result_is_read_back_as_written(tmp_path: Path) -> None:
    result = make_result(method="scn", imbalance="50", seed=3)
    path = save_result(tmp_path, result)

    assert path.name == "ferplus-50-scn-seed3.json"
    assert load_result(path) == result
    assert list(tmp_path.iterdir()) == [path]


def test_results_of_a_folder_come_in_order(tmp_path: Path) -> None:
    for seed in (2, 1):
        save_result(tmp_path, make_result(seed=seed))

    assert [result.seed for result in load_results(tmp_path)] == [1, 2]
    assert load_results(tmp_path / "absent") == []


def set_field(fields: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        fields = fields[parent]
    fields[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("surprise", 1),
        ("test.overall", 86.3),
        ("test.overall", float("nan")),
        ("test.overall", 0.7),
        ("test.mean", 0.7),
        ("test.per_class", dict.fromkeys(EXPRESSIONS, 5 / 7)),
        ("test.faces", 6),
        ("test.confusion", [[7]]),
        ("test.per_class", {"neutral": 1.0}),
        ("test.flip_consistency.mean", 1.1),
        ("test.intervals.mean", [0.5]),
        ("training_counts", {"neutral": 8740}),
        ("seconds", -1.0),
        ("machine", {"cpu": "some"}),
    ],
)
def test_a_result_with_a_wrong_field_is_refused(path: str, value: Any) -> None:
    fields = make_result_fields()
    RunResult(**fields)
    set_field(fields, path, value)

    with pytest.raises(ValidationError):
        RunResult(**fields)


def test_a_damaged_file_is_named_with_its_field(tmp_path: Path) -> None:
    path = save_result(tmp_path, make_result())
    stored = json.loads(path.read_text())
    del stored["revision"]
    path.write_text(json.dumps(stored))
    with pytest.raises(ResultError, match=r"baseline-seed1\.json: field revision"):
        load_result(path)

    path.write_text("{")
    with pytest.raises(ResultError, match=r"baseline-seed1\.json: field content"):
        load_result(path)

    with pytest.raises(ResultError, match="cannot be read"):
        load_result(tmp_path / "absent.json")


def test_a_result_under_another_name_is_refused(tmp_path: Path) -> None:
    path = save_result(tmp_path, make_result())
    moved = path.rename(result_path(tmp_path, "mek", "ferplus", "original", 1))

    with pytest.raises(ResultError, match="holds the run of ferplus-original-baseline-seed1"):
        load_result(moved)


def test_draws_are_the_same_each_time_and_have_every_face_once_on_average() -> None:
    first = np.concatenate(list(draw_counts(40, draws=600)))
    again = np.concatenate(list(draw_counts(40, draws=600)))

    assert first.shape == (600, 40)
    assert (first == again).all()
    assert (first.sum(1) == 40).all()
    assert abs(first.mean(0) - 1).max() < 0.2


def test_weighted_mean_leaves_out_undefined_faces() -> None:
    values = np.array([1.0, np.nan, 4.0])
    counts = np.array([[1.0, 1.0, 1.0], [2.0, 0.0, 1.0], [0.0, 3.0, 0.0]])

    assert np.array_equal(weighted_mean(values, counts), np.array([2.5, 2.0, np.nan]), equal_nan=True)


def test_percentile_interval_of_known_numbers() -> None:
    # 0, 1, ..., 1000: the 2.5 percentile is 25, the 97.5 percentile 975
    values = np.append(np.arange(1001.0), np.nan)

    assert percentile_interval(values) == (25.0, 975.0)
    assert percentile_interval(np.array([np.nan])) is None


def test_the_interval_of_an_accuracy_agrees_with_the_binomial() -> None:
    # 400 faces, 300 right: standard error sqrt(.75 * .25 / 400) = .02165, so the interval is .75 -+ .0424
    predicted = np.array([0] * 300 + [1] * 100)
    labels = np.zeros(400, dtype=np.int64)
    low, high = accuracy_intervals((predicted == labels).astype(np.float64)[:, None], labels)[0]["overall"]

    assert low == pytest.approx(0.75 - 0.0424, abs=0.006)
    assert high == pytest.approx(0.75 + 0.0424, abs=0.006)


def test_intervals_of_columns_leave_undefined_faces_out() -> None:
    # Column 0: 100 defined faces, half of them 1: standard error .05, so .5 -+ .098. Column 1 is never defined, column 2 is always 3.
    values = np.full((400, 3), np.nan)
    values[:100, 0] = np.arange(100) % 2
    values[:, 2] = 3.0
    first, never, constant = mean_intervals(values)

    assert first == pytest.approx((0.402, 0.598), abs=0.015)
    assert never is None
    assert constant == (3.0, 3.0)


def test_a_rare_class_widens_the_interval_of_the_mean() -> None:
    labels = torch.tensor([0] * 396 + [6] * 4)
    predicted = torch.where(torch.arange(400) % 2 == 0, labels, (labels + 1) % len(EXPRESSIONS))
    intervals = accuracy_intervals((predicted == labels).double().unsqueeze(1).numpy(), labels.numpy())[0]

    widths = {name: high - low for name, (low, high) in intervals.items()}
    assert widths["mean"] > 3 * widths["overall"]


def test_predictions_are_those_that_the_confusion_matrix_counts() -> None:
    fields = make_predicted_result("0126", "0120").model_dump()
    assert fields["test"]["confusion"][6][0] == 1
    fields["test_predictions"]["predicted"] = "0121"
    with pytest.raises(ValidationError, match="not those that the confusion matrix"):
        RunResult(**fields)


@pytest.mark.parametrize(("labels", "predicted"), [("012", "01"), ("017", "010"), ("", "")])
def test_predictions_are_a_digit_a_face(labels: str, predicted: str) -> None:
    with pytest.raises(ValidationError):
        Predictions(labels=labels, predicted=predicted)
