"""The scores of the findings' benchmark, on cases worked by hand."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from benchmarks.audit_findings import inverse_margin, precision_at


def test_the_margin_is_that_to_the_likeliest_other_class() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2]])
    assert_allclose([inverse_margin(probabilities, np.array([label]))[0] for label in range(3)], [0.4, 0.6, 0.65])
    assert_allclose(inverse_margin(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0])), [0.1, 0.8])  # two: what the label lacks


def test_precision_of_the_first_counts_a_face_drawn_twice_twice() -> None:
    scores, positive = np.array([0.1, 0.9, 0.5, 0.7]), np.array([True, True, False, False])
    counts = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0], [0.0, 5.0, 1.0, 1.0]])

    assert precision_at(scores, positive, counts, 2).tolist() == [0.5, 1.0, 0.5, 1.0]
    assert precision_at(scores, positive, counts, 3).tolist() == [1 / 3, 2 / 3, 0.5, 1.0]
