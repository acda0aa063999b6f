"""From values face by face to a line of the certificate: means, intervals, and the verdict that the margin's interval gives."""

from __future__ import annotations

import numpy as np

from model.certifying.report import Line, Section, Step, Verdict
from model.claims.report import Estimate
from model.measuring.bootstrap import Floats, class_mean, draw_counts, percentile_interval, weighted_mean


def estimate(values: Floats) -> Estimate:
    """The mean of values (N,) over the faces, or of (N, L) over faces and then classes, with its interval; NaN marks undefined ones."""
    statistic = weighted_mean if values.ndim == 1 else class_mean
    whole = float(statistic(values, np.ones((1, len(values))))[0])
    drawn = np.concatenate([statistic(values, counts) for counts in draw_counts(len(values))])
    return Estimate(value=None if np.isnan(whole) else whole, interval=percentile_interval(drawn))


def judge(margin: Estimate) -> Verdict:
    """Pass where the whole interval is above 0, fail where none of it is, otherwise undecided; so is a margin that was never defined."""
    if margin.interval is None:
        return "undecided"
    low, high = margin.interval
    if low > 0:
        return "pass"
    return "fail" if high <= 0 else "undecided"


def judged_line(
    key: str,
    section: Section,
    title: str,
    unit: str,
    source: str,
    rule: str,
    chance_title: str,
    figure: Floats,
    chance: Floats,
    margin: Floats,
    *,
    known_bad: Floats | None = None,
    note: str = "",
    steps: tuple[Step, ...] = (),
) -> Line:
    """A line of values by face (N,), or by face and class (N, L): see :func:`estimate`."""
    judged = estimate(margin)
    return Line(
        key=key,
        section=section,
        title=title,
        unit=unit,
        source=source,
        rule=rule,
        chance_title=chance_title,
        figure=estimate(figure),
        chance=estimate(chance),
        margin=judged,
        verdict=judge(judged),
        known_bad=None if known_bad is None else estimate(known_bad),
        note=note,
        steps=steps,
    )
