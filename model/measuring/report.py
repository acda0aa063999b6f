"""A split's figures as text for a terminal."""

from __future__ import annotations

from model.expressions import EXPRESSIONS
from model.measuring.results import SplitMetrics


def metrics_report(name: str, split: str, metrics: SplitMetrics) -> str:
    """Overall and mean accuracy with 95% intervals, a line a class (accuracy, flip consistency, confusion row)."""
    overall, mean = metrics.intervals.overall, metrics.intervals.mean
    lines = [
        f"{name} on {split}: {metrics.faces} faces, accuracies in per cent with 95% bootstrap intervals",
        f"overall {_percent(metrics.overall)} [{_percent(overall[0])}, {_percent(overall[1])}]",
        f"mean    {_percent(metrics.mean)} [{_percent(mean[0])}, {_percent(mean[1])}]",
        f"macro average precision {_percent(metrics.macro_average_precision)}",
        "",
        f"{'class':<11}{'accuracy':>9} {'interval':<17}{'flip r':>7} {'interval':<17}predicted as: "
        + " ".join(f"{other[:9]:>9}" for other in EXPRESSIONS),
    ]
    flips = metrics.flip_consistency.per_class if metrics.flip_consistency else {}
    for index, expression in enumerate(EXPRESSIONS):
        accuracy = _interval((metrics.intervals.per_class or {}).get(expression), 100, 2)
        consistency = flips.get(expression)
        shown = "-" if consistency is None else f"{consistency:.3f}"
        agreement = _interval((metrics.intervals.flip_consistency or {}).get(expression), 1, 3)
        row = " ".join(f"{count:>9}" for count in metrics.confusion[index])
        lines.append(f"{expression:<11}{_percent(metrics.per_class[expression]):>9} {accuracy:<17}{shown:>7} {agreement:<17}{'':<14}{row}")
    for tau, adjusted in metrics.logit_adjusted.items():
        lines.append(f"logits minus {tau} log prior: overall {_percent(adjusted.overall)}, mean {_percent(adjusted.mean)}")
    return "\n".join(lines)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def _interval(interval: tuple[float, float] | None, factor: float, digits: int) -> str:
    return "" if interval is None else f"[{factor * interval[0]:.{digits}f}, {factor * interval[1]:.{digits}f}]"
