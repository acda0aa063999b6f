"""The README's example runs as it stands, and its numbers, like those of its table's longer history, are those of the result files."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from model.expressions import MINOR_CLASSES
from model.measuring.results import RESULTS_FOLDER, Accuracies, RunResult, load_result, load_results, result_path
from model.methods.registry import METHODS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPRODUCTION = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
TEN_EPOCHS = ROOT / "checkpoints" / RESULTS_FOLDER
THIRTY_EPOCHS = TEN_EPOCHS / "epochs30"
HALF_THE_PRIOR = "half the class prior"
PART_OF_THE_PRIOR = "0.3 of the class prior"
THREE_SEEDS = "three seeds"

Rows = list[tuple[str, str, list[str]]]


def rows(page: str, title: str) -> Rows:
    """The rows of a section's tables that name a method: label, method, the cells after the label."""
    table = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\| .* \|$", table, re.MULTILINE)]
    return [(label, named.group(1), cells) for label, *cells in split if (named := re.search(r"`(\w+)`", label))]


def spread(values: list[float], decimals: int) -> str:
    return f"{statistics.fmean(values):.{decimals}f} ± {statistics.stdev(values):.{decimals}f}"


def fraction(value: float | None) -> str:
    assert value is not None
    return f"{value:.3f}".removeprefix("0")


def shown(run: RunResult) -> list[str]:
    """The cells of a run in the README."""
    test, mirror, flip, double = run.test, run.test.mirror, run.test.flip_consistency, run.test.two_views
    assert mirror is not None and flip is not None and double is not None and mirror.changed_answers.value is not None
    intervals = ((test.overall, test.intervals.overall), (test.mean, test.intervals.mean))
    return [
        *(f"{100 * value:.2f} [{100 * low:.1f}, {100 * high:.1f}]" for value, (low, high) in intervals),
        f"{100 * double.overall:.2f} / {100 * double.mean:.2f}",
        fraction(flip.mean),
        fraction(mirror.other_faces.value),
        fraction(mirror.own_mirror_found.value),
        f"{100 * mirror.changed_answers.value:.1f} %",
    ]


def shown_over_seeds(runs: list[RunResult]) -> list[str]:
    """As :func:`shown`, averaged, with the spread where a single run has its interval."""
    tests = [run.test for run in runs]
    doubles = [test.two_views for test in tests if test.two_views is not None]
    averaged = [[float(cell.removesuffix(" %")) for cell in shown(run)[3:]] for run in runs]
    flip, other, found, changed = (statistics.fmean(values) for values in zip(*averaged, strict=True))
    return [
        spread([100 * test.overall for test in tests], 2),
        spread([100 * test.mean for test in tests], 2),
        " / ".join(f"{100 * statistics.fmean(getattr(double, kind) for double in doubles):.2f}" for kind in ("overall", "mean")),
        *(fraction(value) for value in (flip, other, found)),
        f"{changed:.1f} %",
    ]


@pytest.mark.parametrize(("label", "method", "cells"), rows(README, "Results"))
def test_the_table_has_the_numbers_of_the_result_files(label: str, method: str, cells: list[str]) -> None:
    if THREE_SEEDS in label:
        assert cells == shown_over_seeds([baseline(THIRTY_EPOCHS, seed) for seed in (1, 2, 3)])
        return
    run = load_result(result_path(THIRTY_EPOCHS, method, "ferplus", "original", 1))
    if PART_OF_THE_PRIOR not in label:
        assert cells == shown(run)
        return
    assert run.test.two_views is not None
    single, double = (
        next(point for point in frontier if point.tau == 0.3) for frontier in (run.test.frontier, run.test.two_views.frontier)
    )
    both = f"{100 * double.overall:.2f} / {100 * double.mean:.2f}"
    assert cells == [f"{100 * single.overall:.2f}", f"{100 * single.mean:.2f}", both, "", "", "", ""]


@pytest.mark.parametrize(("label", "method", "cells"), rows(REPRODUCTION, "Ten epochs, three seeds"))
def test_the_table_of_three_seeds_has_the_numbers_of_the_result_files(label: str, method: str, cells: list[str]) -> None:
    assert method in METHODS
    runs = [run for run in load_results(TEN_EPOCHS) if (run.method, run.dataset, run.imbalance) == (method, "ferplus", "original")]
    adjusted = HALF_THE_PRIOR in label
    splits: list[Accuracies] = [run.test.logit_adjusted["0.5"] if adjusted else run.test for run in runs]
    flips = [run.test.flip_consistency.mean for run in runs if run.test.flip_consistency and run.test.flip_consistency.mean is not None]
    assert cells == [
        spread([100 * split.overall for split in splits], 2),
        spread([100 * split.mean for split in splits], 2),
        *(spread([100 * split.per_class[expression] for split in splits], 1) for expression in MINOR_CLASSES),
        "" if adjusted else fraction(statistics.fmean(flips)),
    ]


def baseline(folder: Path, seed: int) -> RunResult:
    return load_result(result_path(folder, "baseline", "ferplus", "original", seed))


def points(better: Accuracies, worse: Accuracies) -> tuple[float, float]:
    """Differences in per cent: overall, mean."""
    return 100 * (better.overall - worse.overall), 100 * (better.mean - worse.mean)


def test_what_length_is_worth_is_the_difference_of_the_same_seeds() -> None:
    seeds = sorted(run.seed for run in load_results(THIRTY_EPOCHS) if run.method == "baseline")
    worth = [points(baseline(THIRTY_EPOCHS, seed).test, baseline(TEN_EPOCHS, seed).test) for seed in seeds]
    overall, mean = (statistics.fmean(values) for values in zip(*worth, strict=True))
    for page in (README, REPRODUCTION):
        assert f"worth {overall:+.1f} overall and {mean:+.1f} mean to plain training" in " ".join(page.split())


def test_what_ours_is_ahead_by_is_the_difference_of_the_result_files() -> None:
    ours = load_result(result_path(THIRTY_EPOCHS, "cac", "ferplus", "original", 1)).test
    against = [points(ours, baseline(THIRTY_EPOCHS, seed).test) for seed in (1, 2, 3)]
    overall, mean = against[0]
    assert f"{overall:+.1f} overall and {mean:+.1f} mean against plain training" in " ".join(README.split())
    overall, mean = (statistics.fmean(values) for values in zip(*against, strict=True))
    assert f"on average, it is {overall:+.1f} overall and {mean:+.1f} mean" in " ".join(README.split())


def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    for folder in ("static", "checkpoints"):  # as in the repository, but that what it writes is not left there
        (tmp_path / folder).symlink_to(ROOT / folder)
    paths = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'app' / 'library'}"}
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=paths, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "hopper.pdf").read_bytes().startswith(b"%PDF")
    assert re.fullmatch(r"(?:(?:baseline|cac): \w+; fear, flip consistency -?\d\.\d\d\n){2}", result.stdout)
