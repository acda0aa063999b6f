"""Learning curves as coordinates: one plot a method, all of a group on the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pages.axes import Scale, Tick, tick_text, tick_values

if TYPE_CHECKING:
    from model.tables.layout import Curve

WIDTH = 400.0
HEIGHT = 180.0  # of the plot itself
LEFT = 40.0
RIGHT = 14.0
TOP = 8.0
AXIS = 40.0  # below it, with the axis's title
KINDS = {"training faces, overall": "seen", "validation, overall": "overall", "validation, mean": "mean"}  # how each line is drawn


@dataclass(frozen=True)
class CurveLine:
    """An SVG polyline, its kind, and in words where it begins and ends."""

    kind: str
    path: str
    words: str


@dataclass(frozen=True)
class CurvePlot:
    """A method's accuracies over the epochs."""

    title: str
    lines: tuple[CurveLine, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: float = WIDTH
    height: float = TOP + HEIGHT + AXIS
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = TOP + HEIGHT


def curve_plots(curves: Sequence[Curve]) -> list[CurvePlot]:
    """A plot for each method that has a curve."""
    values = [value for curve in curves for value in curve.values]
    longest = max((len(curve.values) for curve in curves), default=0)
    y_ticks, x_ticks = tick_values(min(values, default=0.0), max(values, default=100.0)), tick_values(0.0, float(longest))
    across, up = Scale(0.0, float(longest), LEFT, WIDTH - RIGHT), Scale(y_ticks[0], y_ticks[-1], TOP + HEIGHT, TOP)

    def line(curve: Curve) -> CurveLine:
        path = " ".join(f"{across(epoch):.1f},{up(value):.1f}" for epoch, value in enumerate(curve.values, 1))
        return CurveLine(KINDS[curve.series], path, f"{curve.series} {curve.values[0]:.1f} to {curve.values[-1]:.1f} per cent")

    return [
        CurvePlot(
            title=method,
            lines=tuple(line(curve) for curve in curves if curve.method == method),
            x_ticks=tuple(Tick(across(value), f"{value:.0f}") for value in x_ticks if value <= longest),
            y_ticks=tuple(Tick(up(value), tick_text(value, y_ticks)) for value in y_ticks),
        )
        for method in dict.fromkeys(curve.method for curve in curves)
    ]
