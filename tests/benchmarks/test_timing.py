"""The order in which contenders take turns, and what is kept of a measurement."""

from __future__ import annotations

import json
from itertools import pairwise, permutations
from pathlib import Path

import pytest

from benchmarks import timing


def test_nobody_always_comes_first_or_always_follows_the_same() -> None:
    names = ["a", "b", "c", "d"]
    rounds = list(timing.shuffled_rounds(names, 40))

    assert rounds == list(timing.shuffled_rounds(names, 40))
    assert names == ["a", "b", "c", "d"]
    assert all(sorted(order) == names for order in rounds)
    first = [order[0] for order in rounds]
    assert all(4 <= first.count(name) <= 16 for name in names)
    followed = [pair for order in rounds for pair in pairwise(order)]
    assert all(3 <= followed.count(pair) <= 20 for pair in permutations(names, 2))  # by chance 10 of 120


def test_every_contender_is_called_once_a_round_and_timed_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    calls: list[str] = []

    def work(name: str, seconds: list[float]) -> None:
        nonlocal clock
        calls.append(name)
        clock += seconds.pop(0)

    monkeypatch.setattr("benchmarks.timing.time.perf_counter", lambda: clock)
    slow, fast = [99.0, 99.0, 0.005, 0.001, 0.003, 0.002, 0.004], [99.0, 99.0, 1.0, 1.0, 1.0, 1.0, 1.0]

    medians = timing.interleaved_medians({"slow": lambda: work("slow", slow), "fast": lambda: work("fast", fast)}, 5)

    assert [sorted(calls[turn : turn + 2]) for turn in range(0, 14, 2)] == [["fast", "slow"]] * 7
    assert medians["slow"] == pytest.approx({"low": 1.5, "median": 3.0, "high": 4.5})
    assert medians["fast"] == pytest.approx({"low": 1000.0, "median": 1000.0, "high": 1000.0})


def test_a_result_names_the_versions_of_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "RESULTS", tmp_path)
    timing.save("made", {"a": 1}, {"rounds": 2}, ["onnxruntime", "pytest"])

    record = json.loads((tmp_path / "made.json").read_text())
    assert set(record) == {"benchmark", "figures", "setting", "machine", "versions", "revision"}
    assert set(record["versions"]) == {"python", "onnxruntime", "pytest"}
    assert record["versions"]["pytest"] == pytest.__version__
