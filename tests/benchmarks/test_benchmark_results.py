"""A results file has the figures that its program writes now: one that another program wrote must be measured anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.detection.detector import DetectedFace
from benchmarks import bench_audit, bench_load, bench_page, bench_request, bench_startup, bench_training, compare_detectors, servers
from benchmarks.arrivals import summary
from benchmarks.bench_maps import contenders
from benchmarks.timing import RESULTS, SUMMARY
from model.expressions import EXPRESSIONS

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"


def figures_of(name: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())["figures"]
    return figures


def keys(figures: dict[str, Any]) -> dict[str, set[str]]:
    """The names of the figures, and those within each."""
    return {name: set(inner) for name, inner in figures.items()}


def without_peers(names: dict[str, set[str]]) -> dict[str, set[str]]:
    """LitServe need not have been installed."""
    return {name: inner for name, inner in names.items() if name != "LitServe"}


def test_maps() -> None:
    timed = contenders([CHECKPOINTS / f"{name}.safetensors" for name in ("baseline", "mek_sf")], 1)
    assert keys(figures_of("maps")) == {name: set(SUMMARY) for name in timed}


def test_request() -> None:
    figures = figures_of("request")
    assert keys(figures) == {name: set(asked.measured) for name, asked in bench_request.REQUESTS.items()}
    assert all(set(quartiles) == set(SUMMARY) for medians in figures.values() for quartiles in medians.values())


def test_training() -> None:
    names = (bench_training.BARE, bench_training.STEP, bench_training.LOADING)
    assert keys(figures_of("training")) == {name: set(SUMMARY) for name in names}


def test_startup() -> None:
    assert without_peers(keys(figures_of("startup"))) == without_peers({name: set(bench_startup.FIGURES) for name in servers.COMMANDS})


def test_page() -> None:
    photos = {name: {"p50_seconds", "p90_seconds"} for name in bench_page.SIDES}
    assert keys(figures_of("page")) == {bench_page.FIRST_LOAD: {"requests", "bytes"}} | photos


def test_load(monkeypatch: pytest.MonkeyPatch) -> None:
    step = summary([], 1.0) | {"live": None, "generator_cpu_seconds": 0.0, "served_per_second": 1.0}
    monkeypatch.setattr(bench_load.Generator, "offer", lambda *_: step)
    ladder = bench_load.Generator(0, Path("face.png"), "/", "/").ladder(0, [1.0], 1.0)

    figures = figures_of("load")
    names = {name: {*ladder, "resident_megabytes"} for name in [*servers.COMMANDS, bench_load.SMALL_FACES]}
    assert without_peers(keys(figures)) == without_peers(names)
    for figure in figures.values():
        assert all(set(seen) == set(step) for seen in [figure["busy"], figure["overload"], *figure["steps"].values()])


def test_audit() -> None:
    figures = figures_of("audit")
    assert keys(figures["rates"]) == {name: set(bench_audit.Rate.__annotations__) for name in bench_audit.RUNS}
    assert all(set(weighed) == {"list seconds", *bench_audit.PEAKS} for weighed in figures["memory, MiB"].values())


def test_detectors() -> None:
    found: list[DetectedFace | None] = [DetectedFace((0.0, 0.0, 40.0, 40.0), 1.0, {}) for _ in EXPRESSIONS]
    seen = compare_detectors.Seen(found, [1.0] * len(found))
    scenes = set(compare_detectors.figures(seen, seen))
    crops = set(compare_detectors.figures(seen, seen, list(range(len(EXPRESSIONS)))))

    figures = figures_of("detectors")
    assert {compare_detectors.MEASURE, compare_detectors.SERVED} <= set(figures)
    for figure in figures.values():
        assert keys(figure) == {"crops": crops, "scenes": scenes, "accuracy": {"baseline", "ours"}}
