"""Means with their intervals on cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from model.measuring.bootstrap import mean_with_interval
from model.measuring.estimate import Estimate


def test_a_mean_leaves_out_what_is_undefined() -> None:
    assert mean_with_interval(np.array([1.0, 3.0, np.nan])).value == 2.0
    assert mean_with_interval(np.array([[1.0, 5.0], [3.0, np.nan]])).value == 3.5  # class by class, then over the classes
    assert mean_with_interval(np.array([np.nan])) == Estimate(value=None, interval=None)


def test_an_interval_is_that_of_the_normal_approximation_where_faces_are_many() -> None:
    values = np.random.default_rng(3).normal(2.0, 1.0, 4000)
    interval = mean_with_interval(values).interval
    assert interval == pytest.approx([values.mean() + side * 1.96 * values.std() / 4000**0.5 for side in (-1, 1)], abs=0.005)
