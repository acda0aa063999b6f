"""A split's figures as text for a terminal."""

from __future__ import annotations

from model.expressions import EXPRESSIONS
from model.measuring.estimate import Estimate
from model.measuring.results import MirrorMetrics, SplitMetrics


def metrics_report(name: str, split: str, metrics: SplitMetrics) -> str:
    """Overall and mean accuracy with 95% intervals, a line a class (accuracy, flip consistency, confusion row), the frontier of overall
    against mean, two views, and what stands beside flip consistency."""
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
    return "\n".join([*lines, *_two_view_lines(metrics), *_mirror_lines(metrics.mirror)])


def _two_view_lines(metrics: SplitMetrics) -> list[str]:
    views = metrics.two_views
    if views is None:
        return []
    overall, mean = (_interval(interval, 100, 2) for interval in (views.intervals.overall, views.intervals.mean))
    figures = f"overall {_percent(views.overall)} {overall}, mean {_percent(views.mean)} {mean}"
    return [f"two views, logits of face and mirror image averaged: {figures}"]


def _mirror_lines(mirror: MirrorMetrics | None) -> list[str]:
    if mirror is None:
        return []
    measures: dict[str, Estimate] = {
        "correlation of a map with its own mirror image": mirror.own_symmetry,
        "with the mirror image's map of another face of the same predicted class": mirror.other_faces,
        "share of maps that find their own mirror image among 100": mirror.own_mirror_found,
        "share of faces whose answer changes in the mirror": mirror.changed_answers,
        "total variation between the two answers": mirror.total_variation,
    }
    lines = ["", "to be read beside flip consistency, means over the faces:"]
    for name, mean in measures.items():
        value = "-" if mean.value is None else f"{mean.value:.3f}"
        lines.append(f"{name:<74}{value:>6} {_interval(mean.interval, 1, 3)}".rstrip())
    return lines


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def _interval(interval: tuple[float, float] | None, factor: float, digits: int) -> str:
    return "" if interval is None else f"[{factor * interval[0]:.{digits}f}, {factor * interval[1]:.{digits}f}]"
