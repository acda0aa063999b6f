"""The README's example runs as it stands, and its numbers, like those of its table's longer history, are those of the result files."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from model.expressions import MINOR_CLASSES
from model.measuring.results import RESULTS_FOLDER, Accuracies, FrontierPoint, RunResult, load_result, result_path
from model.methods.registry import METHODS
from model.tables.two_runs import comparison

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPRODUCTION = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
TEN_EPOCHS = ROOT / "checkpoints" / RESULTS_FOLDER
THIRTY_EPOCHS = TEN_EPOCHS / "epochs30"
HALF_THE_PRIOR = "half the class prior"
PART_OF_THE_PRIOR = "0.3 of the class prior"
SEEDS = (1, 2, 3)

AnyAccuracies = Accuracies | FrontierPoint

Rows = list[tuple[str, str, list[str]]]


def rows(page: str, title: str) -> Rows:
    """The rows of a section's tables that name a method: label, method, the cells after the label."""
    table = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\| .* \|$", table, re.MULTILINE)]
    return [(label, named.group(1), cells) for label, *cells in split if (named := re.search(r"`(\w+)`", label))]


def spread(values: list[float], decimals: int) -> str:
    return f"{statistics.fmean(values):.{decimals}f} ± {statistics.stdev(values):.{decimals}f}"


def fraction(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def runs_of(method: str, folder: Path) -> list[RunResult]:
    """On all training faces of FERPlus, by seed."""
    return [load_result(result_path(folder, method, "ferplus", "original", seed)) for seed in SEEDS]


def average(values: Iterable[float | None]) -> float:
    return statistics.fmean(value for value in values if value is not None)


def accuracies(single: Sequence[AnyAccuracies], double: Sequence[AnyAccuracies]) -> list[str]:
    """The README's cells of accuracy: with one view, and with two."""
    both = " / ".join(f"{100 * average(getattr(each, kind) for each in double):.2f}" for kind in ("overall", "mean"))
    return [spread([100 * each.overall for each in single], 2), spread([100 * each.mean for each in single], 2), both]


def shown(runs: list[RunResult]) -> list[str]:
    """The cells of a method in the README."""
    tests = [run.test for run in runs]
    mirrors = [test.mirror for test in tests if test.mirror]
    maps = [
        average(test.flip_consistency.mean for test in tests if test.flip_consistency),
        *(average(getattr(mirror, name).value for mirror in mirrors) for name in ("own_symmetry", "other_faces", "own_mirror_found")),
    ]
    changed = spread([100 * mirror.changed_answers.value for mirror in mirrors if mirror.changed_answers.value is not None], 1)
    return [*accuracies(tests, [test.two_views for test in tests if test.two_views]), *map(fraction, maps), f"{changed} %"]


@pytest.mark.parametrize(("label", "method", "cells"), rows(README, "Results"))
def test_the_table_has_the_numbers_of_the_result_files(label: str, method: str, cells: list[str]) -> None:
    runs = runs_of(method, THIRTY_EPOCHS)
    if PART_OF_THE_PRIOR not in label:
        assert cells == shown(runs)
        return
    curves = [run.test.frontier for run in runs], [run.test.two_views.frontier for run in runs if run.test.two_views]
    single, double = ([next(point for point in curve if point.tau == 0.3) for curve in of_view] for of_view in curves)
    assert cells == [*accuracies(single, double), "", "", "", "", ""]


@pytest.mark.parametrize(("label", "method", "cells"), rows(REPRODUCTION, "Ten epochs, three seeds"))
def test_the_table_of_three_seeds_has_the_numbers_of_the_result_files(label: str, method: str, cells: list[str]) -> None:
    assert method in METHODS
    runs = runs_of(method, TEN_EPOCHS)
    adjusted = HALF_THE_PRIOR in label
    splits: list[Accuracies] = [run.test.logit_adjusted["0.5"] if adjusted else run.test for run in runs]
    flips = [run.test.flip_consistency.mean for run in runs if run.test.flip_consistency and run.test.flip_consistency.mean is not None]
    assert cells == [
        spread([100 * split.overall for split in splits], 2),
        spread([100 * split.mean for split in splits], 2),
        *(spread([100 * split.per_class[expression] for split in splits], 1) for expression in MINOR_CLASSES),
        "" if adjusted else fraction(statistics.fmean(flips)),
    ]


def points(better: Accuracies, worse: Accuracies) -> tuple[float, float]:
    """Differences in per cent: overall, mean."""
    return 100 * (better.overall - worse.overall), 100 * (better.mean - worse.mean)


def test_what_length_is_worth_is_the_difference_of_the_same_seeds() -> None:
    longer, shorter = runs_of("baseline", THIRTY_EPOCHS), runs_of("baseline", TEN_EPOCHS)
    worth = [points(after.test, before.test) for after, before in zip(longer, shorter, strict=True)]
    overall, mean = (statistics.fmean(values) for values in zip(*worth, strict=True))
    for page in (README, REPRODUCTION):
        assert f"worth {overall:+.1f} overall and {mean:+.1f} mean to plain training" in " ".join(page.split())


def test_what_ours_is_ahead_by_is_the_difference_of_the_same_seeds() -> None:
    runs = zip(runs_of("cac", THIRTY_EPOCHS), runs_of("baseline", THIRTY_EPOCHS), strict=True)
    overall, mean = zip(*(points(ours.test, plain.test) for ours, plain in runs), strict=True)
    by = [
        f"{statistics.fmean(of_seeds):+.1f} ± {statistics.stdev(of_seeds):.1f} {kind}"
        for kind, of_seeds in (("overall", overall), ("mean", mean))
    ]
    assert f"{' and '.join(by)} against plain training of the same seeds" in " ".join(README.split())


def test_what_the_readme_says_of_runs_is_what_comparing_them_gives() -> None:
    """Intervals over faces, t interval, gain of the frontier, and the paper's own protocol."""
    text = " ".join(README.split())
    seeds = comparison(runs_of("cac", THIRTY_EPOCHS), runs_of("baseline", THIRTY_EPOCHS))
    faces, spread_of_seeds, one_view, two_views = (
        numbers(seeds, first) for first in ("test, over faces", "test, over seeds", "test, one view", "test, two views")
    )
    assert f"[{faces[1]:.1f}, {faces[2]:.1f}] and [{faces[4]:.1f}, {faces[5]:.1f}]" in text
    assert f"(t interval of the mean: [{spread_of_seeds[6]:.1f}, {spread_of_seeds[7]:.1f}])" in text
    assert f"{one_view[0]:+.1f} on average, {one_view[1]:+.1f} at least" in text
    assert f"{two_views[0]:+.1f} on average, but not everywhere ({two_views[1]:+.1f} at worst)" in text
    mek, eac, plain = ([load_result(result_path(THIRTY_EPOCHS, method, "ferplus", "original", 1))] for method in ("mek", "eac", "baseline"))
    of_mek, of_eac = (numbers(comparison(runs, plain), "test, over faces") for runs in (mek, eac))
    assert "{:+.1f} [{:.1f}, {:.1f}] and {:.1f} [{:.1f}, {:.1f}], one seed".format(*of_mek) in text
    assert "one seed: {:+.1f} [{:.1f}, {:.1f}] and {:+.1f} [{:.1f}, {:.1f}] against plain training".format(*of_eac) in text
    ahead = [
        numbers(comparison(eac, [ours]), f"{split}, one view")[0]
        for split in ("test", "validation")
        for ours in runs_of("cac", THIRTY_EPOCHS)
    ]
    least = "by {:.1f} to {:.1f} on the test split and {:.1f} to {:.1f} on the validation split"
    assert least.format(min(ahead[:3]), max(ahead[:3]), min(ahead[3:]), max(ahead[3:])) in text
    of_paper = [[load_result(result_path(TEN_EPOCHS / "paper", method, "ferplus", "150", 1))] for method in ("mek", "baseline")]
    paper = numbers(comparison(*of_paper), "test, over faces")
    assert "{:.1f} [{:.1f}, {:.1f}] and {:.1f} [{:.1f}, {:.1f}], one seed".format(*paper) in text


def numbers(text: str, first: str) -> list[float]:
    """The numbers of the row of :func:`comparison` that begins so."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [float(number) for number in re.findall(r"[-+]?\d+\.\d+", line)]


def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    for folder in ("static", "checkpoints"):  # as in the repository, but that what it writes is not left there
        (tmp_path / folder).symlink_to(ROOT / folder)
    paths = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'app' / 'library'}"}
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=paths, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "hopper.pdf").read_bytes().startswith(b"%PDF")
    assert re.fullmatch(r"(?:(?:baseline|cac): \w+; fear, flip consistency -?\d\.\d\d\n){2}", result.stdout)
