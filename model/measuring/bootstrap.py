"""Percentile bootstrap intervals: faces are drawn with replacement, a statistic is computed on every draw.

A draw is kept as how often each face was drawn, ``(R, N)`` counts for R draws of N faces. A statistic that is a weighted sum over the faces
then costs one matrix product, and two models drawn with the same counts are compared face by face (a paired bootstrap).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from model.maps.measures import ratio
from model.measuring.estimate import Estimate

DRAWS = 2000
CHUNK = 250  # draws held at a time
SEED = 20231030

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Interval = tuple[float, float]


def draw_counts(faces: int, draws: int = DRAWS) -> Iterator[Floats]:
    """Bootstrap draws as counts ``(at most CHUNK, N)``; as many faces and draws always give the same counts."""
    generator = np.random.default_rng(SEED)
    uniform = np.full(faces, 1.0 / faces)
    for start in range(0, draws, CHUNK):
        yield generator.multinomial(faces, uniform, size=min(CHUNK, draws - start)).astype(np.float64)


def percentile_interval(values: Floats) -> Interval | None:
    """2.5 and 97.5 percentiles of a statistic over the draws ``(R,)``, without those where it is undefined (NaN); None if it always is."""
    defined = values[~np.isnan(values)]
    if defined.size == 0:
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def weighted_mean(values: Floats, counts: Floats) -> Floats:
    """Mean of ``values`` (N,) or (N, K) in every draw ``(R, N)``, over the faces where they are defined; NaN where there is none.

    Returns:
        (R,) or (R, K).
    """
    defined = ~np.isnan(values)
    return ratio(counts @ np.where(defined, values, 0.0), counts @ defined.astype(np.float64))


def row_mean(values: Floats) -> Floats:
    """Mean of each row over its defined values; NaN for a row without any."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(1), defined.sum(1))


def class_mean(values: Floats, counts: Floats) -> Floats:
    """Mean of ``values`` (N, L) over the faces, class by class, then over the classes that have one, in every draw ``(R, N)``: (R,)."""
    return row_mean(np.stack([weighted_mean(column, counts) for column in values.T], axis=1))


def drawn_accuracies(correct: Floats, labels: Labels, counts: Floats) -> dict[str, Floats]:
    """Overall and mean accuracy in every draw ``(R, N)``, (R, K), for each column of ``correct`` (N, K): 1 where a face is named right.

    Both are linear in ``correct``: the difference of two models' columns gives the paired difference. A class that a draw leaves empty is
    left out of that draw's mean.
    """
    each = [weighted_mean(np.where((labels == label)[:, None], correct, np.nan), counts) for label in np.unique(labels)]
    return {"overall": weighted_mean(correct, counts), "mean": np.nanmean(each, axis=0)}


def accuracy_intervals(correct: Floats, labels: Labels) -> list[dict[str, Interval]]:
    """Intervals of overall and mean accuracy for every column of ``correct`` (N, K); see :func:`drawn_accuracies`."""
    drawn = [drawn_accuracies(correct, labels, counts) for counts in draw_counts(len(labels))]
    joined = {name: np.concatenate([each[name] for each in drawn]) for name in drawn[0]}
    columns = [{name: percentile_interval(values[:, column]) for name, values in joined.items()} for column in range(correct.shape[1])]
    return [{name: interval for name, interval in each.items() if interval is not None} for each in columns]


def with_interval(value: float, drawn: Floats) -> Estimate:
    """A statistic of all faces, NaN where undefined, with the interval of its values over the draws ``(R,)``."""
    return Estimate(value=None if np.isnan(value) else value, interval=percentile_interval(drawn))


def mean_with_interval(values: Floats) -> Estimate:
    """The mean of values (N,) over the faces, or of (N, L) over faces and then classes, with its interval; NaN marks undefined ones."""
    statistic = weighted_mean if values.ndim == 1 else class_mean
    drawn = np.concatenate([statistic(values, counts) for counts in draw_counts(len(values))])
    return with_interval(float(statistic(values, np.ones((1, len(values))))[0]), drawn)


def mean_intervals(values: Floats) -> list[Interval | None]:
    """Intervals of the mean of every column of ``values`` (N, K), over the faces where it is defined (not NaN); None where it never is."""
    means = np.concatenate([weighted_mean(values, counts) for counts in draw_counts(len(values))])
    return [percentile_interval(column) for column in means.T]
