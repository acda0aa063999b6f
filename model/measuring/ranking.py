"""How well a score ranks positives above negatives, on every draw of a bootstrap at once.

Draws are counts ``(R, N)``: how often each face was drawn. A face drawn twice counts twice; all ones give the plain statistic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.maps.measures import ratio

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def auroc(scores: Floats, positive: Bools, counts: Floats) -> Floats:
    """Area under the ROC curve in every draw, ``(R,)``: the probability that a positive scores above a negative, ties counting half.

    Args:
        scores: ``(N,)``.
        positive: ``(N,)``.
        counts: ``(R, N)``.

    Returns:
        NaN in draws without a positive or without a negative.
    """
    positives, negatives = _by_score(scores, positive, counts)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    pairs = positives.sum(1) * negatives.sum(1)
    return ratio((positives * below).sum(1), pairs)


def average_precision(scores: Floats, positive: Bools, counts: Floats) -> Floats:
    """Average precision in every draw, ``(R,)``: the sum over thresholds of the gain in recall times the precision there.

    Arguments and undefined draws as in :func:`auroc`; NaN without a positive.
    """
    positives, negatives = (part[:, ::-1] for part in _by_score(scores, positive, counts))
    found, passed = np.cumsum(positives, axis=1), np.cumsum(positives + negatives, axis=1)
    precision = np.divide(found, passed, out=np.zeros_like(found), where=passed > 0)
    return ratio((positives * precision).sum(1), positives.sum(1))


def auroc_within(scores: Floats, positive: Bools, groups: NDArray[np.int64], counts: Floats) -> Floats:
    """AUROC within each group ``(N,)`` of faces, averaged with the groups' positives in the draw as weights, ``(R,)``.

    So a score gains nothing by telling the groups apart. Groups without a positive or a negative in a draw are left out of it.
    """
    total, weights = np.zeros(len(counts)), np.zeros(len(counts))
    for group in np.unique(groups[positive]):
        members = groups == group
        area = auroc(scores[members], positive[members], counts[:, members])
        weight = np.where(np.isnan(area), 0.0, counts[:, members & positive].sum(1))
        total += weight * np.nan_to_num(area)
        weights += weight
    return ratio(total, weights)


def _by_score(scores: Floats, positive: Bools, counts: Floats) -> tuple[Floats, Floats]:
    """Counts of positives and of negatives at each distinct score, ascending; each ``(R, distinct scores)``."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(scores[order]) > 0))
    sorted_counts, sorted_positive = counts[:, order], positive[order]
    return (
        np.add.reduceat(sorted_counts * sorted_positive, starts, axis=1),
        np.add.reduceat(sorted_counts * ~sorted_positive, starts, axis=1),
    )
