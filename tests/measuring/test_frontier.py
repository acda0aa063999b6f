"""The area between two frontiers, by hand."""

from __future__ import annotations

import pytest

from model.measuring.frontier import frontier_gain
from model.measuring.results import FrontierPoint


def curve(*points: tuple[float, float]) -> list[FrontierPoint]:
    return [FrontierPoint(tau=index / 10, overall=overall, mean=mean) for index, (overall, mean) in enumerate(points)]


PLAIN = curve((0.90, 0.70), (0.88, 0.74), (0.84, 0.80))


def test_the_gain_is_the_area_between_two_staircases_over_its_width() -> None:
    # Both reach 0.84 to 0.88. Plain: 0.74 above 0.84. The other: 0.80 up to 0.86, then 0.75: gaps 0.06 and 0.01 over as much each.
    # At 0.84 itself plain has 0.80, too.
    gain = frontier_gain(curve((0.88, 0.75), (0.86, 0.80), (0.80, 0.81)), PLAIN)
    assert gain is not None
    assert gain == pytest.approx((0.035, 0, 0.04))


def test_what_the_reference_reaches_at_its_lowest_overall_accuracy_counts() -> None:
    # Between 0.84 and 0.88 the other is ahead by 0.04, but at 0.84 plain has 0.80 against its 0.78.
    gain = frontier_gain(curve((0.88, 0.78), (0.80, 0.90)), PLAIN)
    assert gain is not None
    assert gain == pytest.approx((0.04, -0.02, 0.04))


def test_a_model_against_itself_gains_nothing_and_the_other_way_round_loses() -> None:
    assert frontier_gain(PLAIN, PLAIN) == pytest.approx((0, 0, 0.06))
    better = curve((0.90, 0.72), (0.88, 0.76), (0.84, 0.82))
    assert frontier_gain(better, PLAIN) == pytest.approx((0.02, 0.02, 0.06))
    assert frontier_gain(PLAIN, better) == pytest.approx((-0.02, -0.02, 0.06))


def test_curves_that_cross_have_a_smallest_gain_below_zero() -> None:
    gain = frontier_gain(curve((0.90, 0.66), (0.86, 0.90)), PLAIN)
    assert gain is not None
    assert gain.smallest == pytest.approx(-0.08)  # between 0.86 and 0.88: 0.66 against 0.74
    assert frontier_gain(curve((0.95, 0.9), (0.92, 0.91)), PLAIN) is None
