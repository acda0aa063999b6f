"""What the claims open with: the change of accuracy against plain training, in print and here, a chart for each length of runs."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.numbers import estimate
from app.pages.axes import tick_values
from app.pages.charts import ComparedChange, change_plot
from model.tables.layout import METHOD_TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.pages.results import Files
    from model.tables.by_face import Change
    from model.tables.changes import LengthOfRun, MethodChanges

MEASURES = {"overall": "Overall accuracy", "mean": "Mean accuracy of the classes"}
SHORT_TITLES = {"mek": "MEK, the paper's", "cac": "Contrastive"}
PAPERS = "mek"  # the method that the paper proposes


@lru_cache(maxsize=1)
def accuracy_changes(folder: Path, _files: Files) -> list[dict[str, Any]]:
    """A chart for each length of runs in a folder of results; none where plain training was not measured."""
    from model.tables.changes import measured_changes, printed_changes

    printed = {each.method: each for each in printed_changes()}
    lengths = measured_changes(folder)
    shown = [*printed.values(), *(each for length in lengths for each in length.methods)]
    ticks = {name: _ticks([each.changes[name] for each in shown]) for name in MEASURES}
    return [_chart(length, printed, ticks) for length in lengths]


def _ticks(changes: Sequence[Change]) -> list[float]:
    """Of the axis that a measure has in every chart."""
    ends = [end for change in changes for end in (change.points, *(change.interval or ()))]
    return tick_values(min(0.0, *ends), max(0.0, *ends))


def _chart(length: LengthOfRun, printed: dict[str, MethodChanges], ticks: dict[str, list[float]]) -> dict[str, Any]:
    measured = {each.method: each for each in length.methods}
    rows = [
        {
            "name": _title(method),
            "seeds": len(each.seeds),
            **{
                f"{kind}_{name}": _text(source.get(method), name)
                for name in MEASURES
                for kind, source in (("paper", printed), ("here", measured))
            },
        }
        for method, each in measured.items()
    ]
    plots = [
        (title, change_plot([_compared(method, name, printed, measured) for method in measured], ticks[name]))
        for name, title in MEASURES.items()
    ]
    return {"epochs": length.epochs, "sentence": _sentence(printed[PAPERS], measured.get(PAPERS)), "plots": plots, "rows": rows}


def _title(method: str) -> str:
    return SHORT_TITLES.get(method, METHOD_TITLES[method])


def _compared(method: str, name: str, printed: dict[str, MethodChanges], measured: dict[str, MethodChanges]) -> ComparedChange:
    own = measured[method].changes[name]
    return ComparedChange(_title(method), printed[method].changes[name].points if method in printed else None, own.points, own.interval)


def _text(changes: MethodChanges | None, name: str) -> str:
    return "" if changes is None else _points(changes.changes[name])


def _points(change: Change) -> str:
    return estimate(change.points, change.interval, 1, signed=True)


def _sentence(printed: MethodChanges, measured: MethodChanges | None) -> str:
    """What the paper's method adds in print, and here."""
    overall, mean = (_points(printed.changes[name]) for name in MEASURES)
    said = f"In print MEK adds {overall} points of overall and {mean} of mean accuracy to the baseline."
    if measured is None:
        return f"{said} Not measured here at this length."
    overall, mean = (_points(measured.changes[name]) for name in MEASURES)
    seeds = "one seed" if len(measured.seeds) == 1 else f"{len(measured.seeds)} seeds"
    return f"{said} Measured here, {seeds}: {overall} and {mean}."
