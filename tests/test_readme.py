"""The README's example runs as it stands, and its numbers are those of the result files."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from model.expressions import MINOR_CLASSES
from model.measuring.results import RESULTS_FOLDER, Accuracies, load_results
from model.methods import METHODS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUNS = ROOT / "checkpoints" / RESULTS_FOLDER  # those that the table is of
HALF_THE_PRIOR = "half the class prior"


def rows() -> list[tuple[str, str, list[str]]]:
    """The rows of the table of results that name a method: label, method, the cells after the label."""
    table = README.partition("## Results\n")[2].partition("\n## ")[0]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\| .* \|$", table, re.MULTILINE)]
    return [(label, named.group(1), cells) for label, *cells in split if (named := re.search(r"`(\w+)`", label))]


def spread(values: list[float], decimals: int) -> str:
    return f"{statistics.fmean(values):.{decimals}f} ± {statistics.stdev(values):.{decimals}f}"


@pytest.mark.parametrize(("label", "method", "cells"), rows())
def test_the_table_has_the_numbers_of_the_result_files(label: str, method: str, cells: list[str]) -> None:
    assert method in METHODS
    runs = [run for run in load_results(RUNS) if (run.method, run.dataset, run.imbalance) == (method, "ferplus", "original")]
    adjusted = HALF_THE_PRIOR in label
    splits: list[Accuracies] = [run.test.logit_adjusted["0.5"] if adjusted else run.test for run in runs]
    flips = [run.test.flip_consistency.mean for run in runs if run.test.flip_consistency and run.test.flip_consistency.mean is not None]
    assert cells == [
        spread([100 * split.overall for split in splits], 2),
        spread([100 * split.mean for split in splits], 2),
        *(spread([100 * split.per_class[expression] for split in splits], 1) for expression in MINOR_CLASSES),
        "" if adjusted else f"{statistics.fmean(flips):.3f}".removeprefix("0"),
    ]


def test_the_example_runs_as_it_stands() -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"(?:(?:baseline|ours): \w+; fear, flip consistency -?\d\.\d\d\n){2}", result.stdout)
