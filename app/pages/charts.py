"""Plots for the pages as coordinates: the templates make SVG of them without styles of its own, so that the theme colours them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.numbers import decimal
from app.pages.axes import Scale, Tick, tick_text, tick_values
from model.certifying.report import Line
from model.claims.report import Measure, PointSet

WIDTH = 400.0
LABELS = 96.0  # left part of an interval plot that holds the models' names
RIGHT = 26.0
ROW = 24.0
AXIS = 26.0  # height below the rows
TOP = 6.0
SIDE = 340.0  # of a scatter plot
MARGIN = 52.0
PAIR_LABELS = 122.0  # as LABELS, for methods' titles
PAIR_ROW = 30.0  # holds two marks
STEP_HEIGHT = 150.0  # of a plot of steps
STEP_AXIS = 42.0  # below it, with the axis's title
APART = 5.5  # of either mark from the middle of its row


@dataclass(frozen=True)
class IntervalRow:
    """One model's dot and whisker; ``low`` and ``high`` are None without an interval."""

    name: str
    y: float
    dot: float
    low: float | None
    high: float | None
    kind: str


@dataclass(frozen=True)
class IntervalPlot:
    """Models below each other on one axis; ``reference`` is the place of a dashed line."""

    width: float
    height: float
    bottom: float
    left: float
    right: float
    rows: tuple[IntervalRow, ...]
    ticks: tuple[Tick, ...]
    reference: float | None


@dataclass(frozen=True)
class ComparedChange:
    """A method's change in points as printed and as measured, each None where there is none."""

    name: str
    printed: float | None
    measured: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class PairRow:
    """A printed mark above a measured one; places on the axis, None where there is no mark."""

    name: str
    y: float
    printed_y: float
    measured_y: float
    printed: float | None
    measured: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ChangePlot:
    """Methods below each other on an axis of points gained or lost, with a line at no change."""

    width: float
    height: float
    bottom: float
    left: float
    right: float
    zero: float
    rows: tuple[PairRow, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class ScatterPlot:
    """Faces as dots, the baseline across and ours up, on equal axes; ``plain`` and ``marked`` are paths of dots."""

    side: float
    margin: float
    size: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    plain: str
    marked: str
    low: float
    high: float


@dataclass(frozen=True)
class StepMark:
    """One step of a randomisation: a dot and its whisker."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class StepPlot:
    """A randomisation's steps from left to right, joined by ``path`` (an SVG polyline); ``bounds`` are places of dashed lines."""

    width: float
    height: float
    left: float
    right: float
    bottom: float
    marks: tuple[StepMark, ...]
    path: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bounds: tuple[float, ...]


def interval_plot(measure: Measure, ours: str) -> IntervalPlot:
    """A measure of all models: value and 95% interval of each."""
    shown = [(name, estimate) for name, estimate in measure.models.items() if estimate.value is not None]
    values = [value for _, estimate in shown for value in (estimate.value, *(estimate.interval or ()))]
    numbers = [float(value) for value in values if value is not None]
    if measure.reference is not None:
        numbers.append(measure.reference)
    ticks = tick_values(min(numbers, default=0.0), max(numbers, default=1.0))
    left, right = LABELS, WIDTH - RIGHT
    scale = Scale(ticks[0], ticks[-1], left, right)
    rows = []
    for index, (name, estimate) in enumerate(shown):
        assert estimate.value is not None
        low, high = (scale(end) for end in estimate.interval) if estimate.interval else (None, None)
        rows.append(IntervalRow(name, TOP + ROW * (index + 0.5), scale(estimate.value), low, high, "ours" if name == ours else ""))
    bottom = TOP + ROW * len(rows)
    return IntervalPlot(
        width=WIDTH,
        height=bottom + AXIS,
        bottom=bottom,
        left=left,
        right=right,
        rows=tuple(rows),
        ticks=tuple(Tick(scale(value), tick_text(value, ticks)) for value in ticks),
        reference=None if measure.reference is None else scale(measure.reference),
    )


def change_plot(changes: Sequence[ComparedChange], ticks: Sequence[float]) -> ChangePlot:
    """Printed and measured changes of all methods; ``ticks`` are those of :func:`tick_values`, the same for plots to be compared."""
    left, right = PAIR_LABELS, WIDTH - RIGHT
    scale = Scale(ticks[0], ticks[-1], left, right)

    def place(value: float | None) -> float | None:
        return None if value is None else scale(value)

    rows = []
    for index, change in enumerate(changes):
        low, high = change.interval or (None, None)
        y = TOP + PAIR_ROW * (index + 0.5)
        marks = (place(change.printed), place(change.measured), place(low), place(high))
        rows.append(PairRow(change.name, y, y - APART, y + APART, *marks))
    bottom = TOP + PAIR_ROW * len(rows)
    return ChangePlot(
        width=WIDTH,
        height=bottom + AXIS,
        bottom=bottom,
        left=left,
        right=right,
        zero=scale(0.0),
        rows=tuple(rows),
        ticks=tuple(Tick(scale(value), tick_text(value, ticks)) for value in ticks),
    )


def scatter_plot(points: PointSet) -> ScatterPlot:
    """One dot a face; equal axes, so that dots above the diagonal are faces where ours has more."""
    values = [*points.baseline, *points.ours]
    ticks = tick_values(min(values, default=0.0), max(values, default=1.0))
    across = Scale(ticks[0], ticks[-1], MARGIN, MARGIN + SIDE)
    up = Scale(ticks[0], ticks[-1], TOP + SIDE, TOP)
    marked = points.marked or (False,) * len(points.faces)
    dots = [f"M{across(x):.1f} {up(y):.1f}h0" for x, y in zip(points.baseline, points.ours, strict=True)]
    return ScatterPlot(
        side=SIDE,
        margin=MARGIN,
        size=MARGIN + SIDE + RIGHT,
        x_ticks=tuple(Tick(across(value), tick_text(value, ticks)) for value in ticks),
        y_ticks=tuple(Tick(up(value), tick_text(value, ticks)) for value in ticks),
        plain="".join(dot for dot, apart in zip(dots, marked, strict=True) if not apart),
        marked="".join(dot for dot, apart in zip(dots, marked, strict=True) if apart),
        low=ticks[0],
        high=ticks[-1],
    )


def step_plot(line: Line) -> StepPlot:
    """Similarity of the maps, 0 to 1, against the number of random layers; dashed lines at the control and at what must fail."""
    values = [0, *(step.layers for step in line.steps)]
    across, up = Scale(0.0, float(values[-1]), MARGIN, WIDTH - RIGHT), Scale(0.0, 1.0, TOP + STEP_HEIGHT, TOP)
    marks = []
    for step in line.steps:
        found = step.similarity
        if found.value is not None and found.interval is not None:
            low, high = found.interval
            marks.append(StepMark(across(step.layers), up(found.value), up(low), up(high)))
    ticks = [value for value in tick_values(0.0, float(values[-1])) if value <= values[-1]]
    bounds = [line.chance.value, line.known_bad.value if line.known_bad else None]
    return StepPlot(
        width=WIDTH,
        height=TOP + STEP_HEIGHT + STEP_AXIS,
        left=MARGIN,
        right=WIDTH - RIGHT,
        bottom=TOP + STEP_HEIGHT,
        marks=tuple(marks),
        path=" ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in (StepMark(across(0.0), up(1.0), 0.0, 0.0), *marks)),
        x_ticks=tuple(Tick(across(value), f"{value:.0f}") for value in ticks),
        y_ticks=tuple(Tick(up(value), decimal(value, 1)) for value in (0.0, 0.5, 1.0)),
        bounds=tuple(up(bound) for bound in bounds if bound is not None),
    )
