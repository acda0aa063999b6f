"""Ranking statistics on weighted draws: against scikit-learn, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from model.measuring.ranking import auroc, auroc_within, average_precision


def random_ranking(seed: int, faces: int = 60, tied: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=faces)
    if tied:
        scores = scores.round()
    positive = generator.random(faces) < 0.3
    counts = generator.integers(0, 4, size=(5, faces)).astype(float)
    return scores, positive, counts


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tied", [False, True])
def test_auroc_and_average_precision_agree_with_scikit_learn(seed: int, tied: bool) -> None:
    scores, positive, counts = random_ranking(seed, tied=tied)

    for draw, area, precision in zip(counts, auroc(scores, positive, counts), average_precision(scores, positive, counts), strict=True):
        assert area == pytest.approx(roc_auc_score(positive, scores, sample_weight=draw))
        assert precision == pytest.approx(average_precision_score(positive, scores, sample_weight=draw))


def test_a_draw_without_positives_or_negatives_is_undefined() -> None:
    scores, positive = np.array([1.0, 2.0]), np.array([True, False])
    counts = np.array([[0.0, 2.0], [2.0, 0.0], [1.0, 1.0]])

    assert np.array_equal(auroc(scores, positive, counts), [np.nan, np.nan, 0.0], equal_nan=True)
    assert np.array_equal(average_precision(scores, positive, counts), [np.nan, 1.0, 0.5], equal_nan=True)


def test_within_groups_a_score_gains_nothing_by_telling_groups_apart() -> None:
    groups = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    positive = np.array([True, False, False, True, True, False, False, False])
    scores = np.array([5.0, 4.0, 6.0, 1.0, 3.0, 2.0, 9.0, 9.0])
    # group 0: one positive above one of two negatives, .5; group 1: 1 of 2 positives above the negative, .5; group 2 has no positive
    assert auroc_within(scores, positive, groups, np.ones((1, 8)))[0] == pytest.approx(0.5)
    # with the first face drawn three times and group 1's lower positive left out: (3 * .5 + 1 * 1) / 4
    counts = np.array([[3.0, 1, 1, 0, 1, 1, 1, 1]])
    assert auroc_within(scores, positive, groups, counts)[0] == pytest.approx(2.5 / 4)
    # telling the groups apart alone is worth .5
    assert auroc_within(-groups.astype(float), positive, groups, np.ones((1, 8)))[0] == pytest.approx(0.5)
