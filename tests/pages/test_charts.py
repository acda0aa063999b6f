"""The plots of the claims page: their ticks, and where they put what."""

from __future__ import annotations

import re

import pytest

from app.pages.axes import tick_text, tick_values
from app.pages.charts import ComparedChange, change_plot, interval_plot, scatter_plot
from model.claims.report import Measure, PointSet
from model.measuring.estimate import Estimate


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        (-7.0, 9.0, ["−10", "−5", "0", "5", "10"]),
        (0.81, 0.83, ["0.810", "0.815", "0.820", "0.825", "0.830"]),
        (0.4, 0.4, ["−0.25", "0.00", "0.25", "0.50", "0.75", "1.00"]),
    ],
)
def test_ticks_are_round_and_hold_both_ends(low: float, high: float, expected: list[str]) -> None:
    ticks = tick_values(low, high)
    assert ticks[0] <= low + 1e-9
    assert ticks[-1] >= high - 1e-9
    assert [tick_text(value, ticks) for value in ticks] == expected


def test_interval_plot_keeps_order_and_direction() -> None:
    models = {"baseline": Estimate(value=0.5, interval=(0.48, 0.52)), "ours": Estimate(value=0.8, interval=(0.78, 0.82))}
    measure = Measure(key="k", title="t", better="higher", decides=True, models=models, differences={}, verdicts={})
    plot = interval_plot(measure, "ours")
    baseline, ours = plot.rows
    assert ours.dot > baseline.dot
    assert ours.low is not None
    assert ours.high is not None
    assert plot.left <= ours.low <= ours.dot <= ours.high <= plot.right
    assert (baseline.kind, ours.kind) == ("", "ours")


def test_scatter_puts_larger_values_of_ours_higher_and_marked_faces_apart() -> None:
    points = PointSet(
        key="k", title="t", quantity="q", faces=(3, 4), baseline=(0.0, 0.0), ours=(0.0, 1.0), marked=(False, True), marked_title="m"
    )
    plot = scatter_plot(points)
    (_, low), (_, high) = (map(float, re.fullmatch(r"M([\d.]+) ([\d.]+)h0", path).groups()) for path in (plot.plain, plot.marked))  # type: ignore[union-attr]
    assert high < low  # y runs downwards


def test_printed_and_measured_changes_share_an_axis_and_never_a_place() -> None:
    changes = [ComparedChange("both", 3.0, -2.0, (-4.0, 0.0)), ComparedChange("measured alone", None, 0.0, (-1.0, 1.0))]
    plot = change_plot(changes, tick_values(-5.0, 5.0))
    both, alone = plot.rows
    assert both.printed is not None and both.measured is not None and both.low is not None
    assert both.printed - plot.zero == pytest.approx(-1.5 * (both.measured - plot.zero))
    assert (both.high, alone.measured) == pytest.approx((plot.zero, plot.zero))
    assert plot.left <= both.low and both.printed <= plot.right
    assert both.printed_y < both.y < both.measured_y < alone.printed_y
    assert alone.printed is None
