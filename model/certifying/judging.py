"""From values face by face to a line of the certificate: means, intervals, and the verdict that the margin's interval gives."""

from __future__ import annotations

from model.certifying.report import Line, Section, Step, Verdict
from model.measuring.bootstrap import Floats, mean_with_interval
from model.measuring.estimate import Estimate


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
    """A line of values by face (N,), or by face and class (N, L): see :func:`model.measuring.bootstrap.mean_with_interval`."""
    judged = mean_with_interval(margin)
    return Line(
        key=key,
        section=section,
        title=title,
        unit=unit,
        source=source,
        rule=rule,
        chance_title=chance_title,
        figure=mean_with_interval(figure),
        chance=mean_with_interval(chance),
        margin=judged,
        verdict=judge(judged),
        known_bad=None if known_bad is None else mean_with_interval(known_bad),
        note=note,
        steps=steps,
    )
