"""What a table is before it is written in any format: named groups of rows, each value with how it is shown."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from model.data.protocols import ORIGINAL
from model.measuring.bootstrap import Interval
from model.measuring.results import RunResult, SplitMetrics
from model.methods.settings import PLAIN

DATASET_TITLES = {"ferplus": "FERPlus", "rafdb": "RAF-DB"}
METHOD_TITLES = {
    "baseline": "Baseline",
    "cb": "CB",
    "scn": "SCN",
    "bbn": "BBN",
    "rul": "RUL",
    "soft": "SOFT",
    "eac": "EAC",
    "mek": "MEK (the paper's Ours)",
    "mek_sf": "MEK, scale-free",
    "cac": "Contrastive consistency",
    "votes": "Votes",
    "mek_votes": "MEK with votes",
}
PRECISION_TITLES = {"bf16-mixed": "bfloat16, heads and losses in float32", "32-true": "float32"}


@dataclass(frozen=True)
class Value:
    """A number of a table with how many decimals it is shown; ``spread`` is the standard deviation over seeds, ``note`` a remark to it."""

    number: float
    decimals: int = 2
    spread: float | None = None
    interval: Interval | None = None
    note: str | None = None


@dataclass(frozen=True)
class Row:
    """``source`` is ``paper`` or ``here``; ``command`` would fill a row that is empty."""

    label: str
    source: str
    values: tuple[Value | None, ...]
    command: str | None = None


@dataclass(frozen=True)
class Curve:
    """What a row of a table has after every epoch, not only after those that have a column."""

    method: str
    series: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Group:
    """Rows that belong together under a title, and curves, where a table is of some."""

    title: str
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table before it is written in any format."""

    name: str
    title: str
    columns: tuple[str, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = field(default=())


def protocol_title(imbalance: str) -> str:
    """An imbalance protocol in words."""
    return "all training faces" if imbalance == ORIGINAL else f"imbalance factor {imbalance}"


def faces_title(dataset: str, imbalance: str) -> str:
    """A training set in words; a data set without a name of its own by the one it has here."""
    return f"{DATASET_TITLES.get(dataset, dataset)}, {protocol_title(imbalance)}"


def by_protocol(results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Runs by data set and imbalance protocol, titled so: all training faces first, then by factor."""
    ordered = sorted(results, key=lambda run: (run.dataset, 0.0 if run.imbalance == ORIGINAL else float(run.imbalance)))
    grouped: dict[str, list[RunResult]] = {}
    for run in ordered:
        grouped.setdefault(faces_title(run.dataset, run.imbalance), []).append(run)
    return grouped


def paired_with_plain(runs: Sequence[RunResult], method: str) -> list[tuple[RunResult, RunResult]]:
    """Runs of a method, each with the one of plain training that has its seed."""
    plain = {run.seed: run for run in runs if run.method == PLAIN}
    return [(run, plain[run.seed]) for run in runs if run.method == method and run.seed in plain]


def over_runs(values: Sequence[float], decimals: int = 2, interval: Interval | None = None) -> Value:
    """Mean over runs, with its standard deviation where there are several; ``interval`` is in the unit of the values."""
    return Value(statistics.fmean(values), decimals, statistics.stdev(values) if len(values) > 1 else None, interval)


def flip_consistency_over_runs(splits: Sequence[SplitMetrics]) -> Value | None:
    """Mean flip consistency of runs that have one."""
    measured = [split.flip_consistency.mean for split in splits if split.flip_consistency and split.flip_consistency.mean is not None]
    return over_runs(measured, decimals=3) if measured else None


def in_per_cent(interval: Interval) -> Interval:
    """An interval of fractions in per cent, or points."""
    return 100 * interval[0], 100 * interval[1]


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds in words, in order."""
    return ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, sorted(seeds)))


def precision_notes(runs: Sequence[RunResult]) -> list[str]:
    """Which runs computed in which arithmetic, where not all did alike."""
    named: dict[str, dict[str, list[int]]] = {}
    for run in runs:
        row = METHOD_TITLES[run.method] + ("" if run.imbalance == ORIGINAL else f" at {run.imbalance}")
        named.setdefault(str(run.hyperparameters["precision"]), {}).setdefault(row, []).append(run.seed)
    if len(named) < 2:
        return []
    shown = {precision: "; ".join(f"{row}, {seeds_text(seeds)}" for row, seeds in rows.items()) for precision, rows in named.items()}
    notes = [f"Network in {PRECISION_TITLES.get(name, name)}: {text}." for name, text in sorted(shown.items())]
    mixed = [row for row, times in Counter(row for rows in named.values() for row in rows).items() if times > 1]
    return [*notes, f"The seeds of one row are of either kind, which its ± covers, too: {'; '.join(mixed)}."] if mixed else notes
