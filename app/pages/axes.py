"""Axes of the plots: round ticks, and where a value stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.numbers import decimal

INTERVALS = 4  # between ticks, or a few more


@dataclass(frozen=True)
class Tick:
    """A place on an axis and its text."""

    at: float
    text: str


def tick_values(low: float, high: float) -> list[float]:
    """Round numbers, about five of them, the outer ones at or beyond both ends."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / INTERVALS
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * magnitude >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def tick_text(value: float, ticks: Sequence[float]) -> str:
    """A tick with as many digits as the ticks' distance needs."""
    step = ticks[1] - ticks[0]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1
    return decimal(value, digits)


@dataclass(frozen=True)
class Scale:
    """From values to places: ``low`` to ``start``, ``high`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
