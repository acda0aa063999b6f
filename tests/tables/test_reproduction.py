"""The page on the reproduction says what the code does and what the result files have."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from model.expressions import MINOR_CLASSES
from model.measuring.results import RESULTS_FOLDER, load_result, result_path
from model.methods.registry import METHODS
from model.tables.layout import METHOD_TITLES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reproduction.md"
RESULTS = ROOT / "checkpoints" / RESULTS_FOLDER


def constants_of(method: str) -> dict[str, str]:
    """The settings in the method's row of the table of constants, by name."""
    constants = PAGE.read_text().partition("\n### Constants\n")[2]
    row = next(line for line in constants.splitlines() if line.startswith(f"| {method} |"))
    return dict(re.findall(r"`(\w+)` (\w+(?:\.\d+)?)", row.split("|")[2]))


@pytest.mark.parametrize("method", METHODS)
def test_the_page_gives_the_default_of_every_setting(method: str) -> None:
    written = constants_of(method)
    defaults = {field.name: field.default for field in fields(METHODS[method].Settings)}

    assert set(written) == set(defaults)
    for name, default in defaults.items():
        decimals = len(written[name].partition(".")[2])
        assert written[name] == (str(default) if isinstance(default, bool) else f"{default:.{decimals}f}")


def test_every_method_has_a_title_in_the_tables() -> None:
    assert set(METHODS) == set(METHOD_TITLES)


def measured_methods() -> list[str]:
    """The methods with a run on all faces with seed 1, in the order of the methods."""
    return [method for method in METHODS if result_path(RESULTS, method, "ferplus", "original", 1).is_file()]


def rows_of_all_methods() -> dict[str, list[str]]:
    """The page's table of all methods, whose rows stand in the order of the methods: the cells after the label."""
    lines = PAGE.read_text().split("| validation overall / mean |")[1].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")[1:]] for line in lines]
    return dict(zip(measured_methods(), cells, strict=True))


@pytest.mark.parametrize("method", measured_methods())
def test_the_page_has_the_numbers_of_the_result_files(method: str) -> None:
    result = load_result(result_path(RESULTS, method, "ferplus", "original", 1))
    valid, test, flip = result.valid, result.test, result.test.flip_consistency
    assert valid is not None and flip is not None and flip.mean is not None

    assert rows_of_all_methods()[method] == [
        f"{100 * valid.overall:.2f} / {100 * valid.mean:.2f}",
        *(
            f"{100 * value:.2f} [{100 * low:.1f}, {100 * high:.1f}]"
            for value, (low, high) in ((test.overall, test.intervals.overall), (test.mean, test.intervals.mean))
        ),
        *(f"{100 * test.per_class[expression]:.1f}" for expression in MINOR_CLASSES),
        f"{flip.mean:.3f}".removeprefix("0"),
    ]
