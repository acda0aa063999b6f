"""Timing that compares: contenders take turns within each round, figures are medians with quartiles, results carry machine and versions."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from model.files.revision import code_revision
from model.measuring.machine import installed_versions, this_machine

RESULTS = Path(__file__).parent / "results"
WARM_UP_ROUNDS = 2


def interleaved_medians(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds a call: ``median``, ``low`` and ``high`` quartile of every contender, called in turn in each of ``rounds`` rounds."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(WARM_UP_ROUNDS + rounds):
        for name, call in contenders.items():
            started = time.perf_counter()
            call()
            if number >= WARM_UP_ROUNDS:
                times[name].append(1000 * (time.perf_counter() - started))
    return {name: _summary(values) for name, values in times.items()}


def _summary(values: list[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(values, n=4)
    return {"median": median, "low": low, "high": high}


def markdown_table(medians: Mapping[str, Mapping[str, float]], reference: str) -> str:
    """Medians, quartiles, and the ratio of medians to ``reference``."""
    base = medians[reference]["median"]
    lines = ["| | median ms | quartiles ms | ratio |", "|---|---|---|---|"]
    for name, row in medians.items():
        lines.append(f"| {name} | {row['median']:.2f} | {row['low']:.2f} to {row['high']:.2f} | {row['median'] / base:.2f} |")
    return "\n".join(lines)


def save(name: str, figures: Mapping[str, Any], setting: Mapping[str, Any]) -> None:
    """Write ``benchmarks/results/NAME.json`` with what is needed to judge or repeat the figures."""
    RESULTS.mkdir(exist_ok=True)
    record = {
        "benchmark": name,
        "figures": figures,
        "setting": setting,
        "machine": this_machine().model_dump(),
        "versions": installed_versions(),
        "revision": code_revision(),
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
