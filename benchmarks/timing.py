"""Timing that compares: contenders take turns within each round, figures are medians with quartiles, results carry machine and versions."""

from __future__ import annotations

import json
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from model.files.revision import code_revision
from model.measuring.machine import this_machine

RESULTS = Path(__file__).parent / "results"
WARM_UP_ROUNDS = 2
SUMMARY = ("low", "median", "high")  # the quartiles


def shuffled_rounds(names: Iterable[str], rounds: int) -> Iterator[list[str]]:
    """The names in an order of their own for each round, the same for every run.

    Who comes next finds in the caches what the one before left there, so in one fixed order some would be helped in every round.
    """
    order, orders = list(names), random.Random(1)
    for _ in range(rounds):
        orders.shuffle(order)
        yield order.copy()


def interleaved_medians(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds a call: the :data:`SUMMARY` of every contender, each called once in each of ``rounds`` rounds."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number, order in enumerate(shuffled_rounds(contenders, WARM_UP_ROUNDS + rounds)):
        for name in order:
            started = time.perf_counter()
            contenders[name]()
            if number >= WARM_UP_ROUNDS:
                times[name].append(1000 * (time.perf_counter() - started))
    return {name: dict(zip(SUMMARY, statistics.quantiles(values, n=4), strict=True)) for name, values in times.items()}


def markdown_table(medians: Mapping[str, Mapping[str, float]], reference: str) -> str:
    """Medians, quartiles, and the ratio of medians to ``reference``."""
    base = medians[reference]["median"]
    lines = ["| | median ms | quartiles ms | ratio |", "|---|---|---|---|"]
    for name, row in medians.items():
        lines.append(f"| {name} | {row['median']:.2f} | {row['low']:.2f} to {row['high']:.2f} | {row['median'] / base:.2f} |")
    return "\n".join(lines)


def save(name: str, figures: Mapping[str, Any], setting: Mapping[str, Any], packages: Iterable[str]) -> None:
    """Write ``benchmarks/results/NAME.json`` with what is needed to judge or repeat the figures.

    Args:
        packages: those whose work was measured; their versions are recorded.
    """
    RESULTS.mkdir(exist_ok=True)
    record = {
        "benchmark": name,
        "figures": figures,
        "setting": setting,
        "machine": this_machine().model_dump(),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
        "revision": code_revision(),
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
