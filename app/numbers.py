"""Numbers as people read them, on pages and in sentences: a fixed count of digits, a real minus sign, a dash for what was not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

UNDEFINED = "–"
SMALLEST = 5e-4  # what three decimals still show


def decimal(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """A number; what rounds to zero has no minus.

    Args:
        signed: with its sign even above zero and at it, as a difference is written.
    """
    if value is None:
        return UNDEFINED
    return f"{value:{'+' if signed else 'z'}.{digits}f}".replace("-", "−")


def estimate(value: float | None, interval: Sequence[float] | None, digits: int = 3, *, signed: bool = False) -> str:
    """A number with its interval in brackets, where it has one."""
    text = decimal(value, digits, signed=signed)
    if value is None or interval is None:
        return text
    low, high = (decimal(end, digits, signed=signed) for end in interval)
    return f"{text} [{low}, {high}]"


def measured(value: float | None, interval: Sequence[float] | None) -> str:
    """As :func:`estimate`, with two significant digits where three decimals would show nothing, as of a rounding error."""
    if not value or abs(value) >= SMALLEST:
        return estimate(value, interval)
    numbers = [f"{number:.1e}".replace("-", "−") for number in (value, *(interval or ()))]
    return numbers[0] if interval is None else f"{numbers[0]} [{', '.join(numbers[1:])}]"


def percent(fraction: float | None, interval: Sequence[float] | None = None) -> str:
    """A fraction in per cent, with its 95 % interval if it has one."""
    if fraction is None:
        return UNDEFINED
    text = f"{100 * fraction:.2f} %"
    return text if interval is None else f"{text} (95 %: {100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def share_text(share: float) -> str:
    """A probability in per cent, which is never rounded to certainty."""
    if 0.0 < share < 0.0005:
        return "<0.1\u00a0%"
    return ">99.9\u00a0%" if 0.9995 <= share < 1.0 else f"{100 * share:.1f}\u00a0%"
