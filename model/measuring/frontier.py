"""How far one curve of overall against mean accuracy lies above another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

from model.measuring.results import FrontierPoint, SplitMetrics

# The curves of a split, by the views that a prediction is made of.
VIEWS: Mapping[str, Callable[[SplitMetrics], Sequence[FrontierPoint]]] = {
    "one view": lambda split: split.frontier,
    "two views": lambda split: split.two_views.frontier if split.two_views else (),
}


class FrontierGain(NamedTuple):
    """Difference of the mean accuracies that two models reach at the same overall accuracy or better: its average over the overall
    accuracies that both reach, its smallest value there, and how wide a range that is. A model whose smallest gain is above 0 is ahead
    wherever both reach."""

    average: float
    smallest: float
    width: float


def frontier_gain(points: Sequence[FrontierPoint], reference: Sequence[FrontierPoint]) -> FrontierGain | None:
    """Gain of ``points`` over ``reference``, fractions; None where one has no points, or the ranges of overall accuracy that they reach do
    not overlap.

    The best mean accuracy at an overall accuracy of u or more is a staircase that falls with u; the average is the area between the two
    staircases over its width.
    """
    if not points or not reference:
        return None
    low = max(min(point.overall for point in curve) for curve in (points, reference))
    high = min(max(point.overall for point in curve) for curve in (points, reference))
    if low >= high:
        return None
    ends = sorted({low, high, *(point.overall for point in (*points, *reference) if low < point.overall < high)})
    gaps = [_best_mean(points, end) - _best_mean(reference, end) for end in ends]
    widths = [right - left for left, right in pairwise(ends)]
    # a stair ends at the overall accuracy above it, so the lowest adds no area; but it may have the best mean of the reference
    area = sum(gap * width for gap, width in zip(gaps[1:], widths, strict=True))
    return FrontierGain(area / (high - low), min(gaps), high - low)


def mean_curve(curves: Sequence[Sequence[FrontierPoint]]) -> list[FrontierPoint]:
    """Accuracies at each tau, averaged over the runs that have it."""
    by_tau: dict[float, list[FrontierPoint]] = {}
    for point in (point for curve in curves for point in curve):
        by_tau.setdefault(point.tau, []).append(point)
    return [
        FrontierPoint(tau=tau, overall=fmean(point.overall for point in points), mean=fmean(point.mean for point in points))
        for tau, points in by_tau.items()
    ]


def _best_mean(points: Sequence[FrontierPoint], overall: float) -> float:
    return max(point.mean for point in points if point.overall >= overall)
