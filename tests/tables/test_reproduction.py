"""The page on the reproduction says what the code does and what the result files have."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from model.claims.report import ClaimsReport, load_claims
from model.expressions import MINOR_CLASSES
from model.measuring.results import RESULTS_FOLDER, RunResult, load_result, result_path
from model.methods.registry import METHODS
from model.tables.layout import METHOD_TITLES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reproduction.md"
RESULTS = ROOT / "checkpoints" / RESULTS_FOLDER
# The rows of the table of section 3's conclusions: a measure, and its expression.
CONCLUSIONS = {
    "1: flip consistency": ("consistency", None),
    "its floor: other faces of the predicted class": ("floor", None),
    "2: AUROC of fear": ("auroc", "fear"),
    "AUROC of disgust": ("auroc", "disgust"),
    "fear, within labels": ("within", "fear"),
    "disgust, within labels": ("within", "disgust"),
    "3: overlap": ("overlap", None),
    "overlap of scaled maps": ("minmax_overlap", None),
    "periphery share of absent classes": ("periphery", None),
}
# A row, the folder of its run, its method.
UNDER_THE_PAPERS_PROTOCOL = (
    ("plain training", "paper", "baseline"),
    ("EAC", "paper", "eac"),
    ("MEK", "paper", "mek"),
    ("plain training that sees no mirror images", "paper-erase", "baseline"),
)


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


def accuracies(result: RunResult) -> list[str]:
    """A run's cells: both accuracies on the validation split, both on the test split with their intervals, those of the minor classes."""
    valid, test = result.valid, result.test
    assert valid is not None
    return [
        f"{100 * valid.overall:.2f} / {100 * valid.mean:.2f}",
        *(
            f"{100 * value:.2f} [{100 * low:.1f}, {100 * high:.1f}]"
            for value, (low, high) in ((test.overall, test.intervals.overall), (test.mean, test.intervals.mean))
        ),
        *(f"{100 * test.per_class[expression]:.1f}" for expression in MINOR_CLASSES),
    ]


@pytest.mark.parametrize("method", measured_methods())
def test_the_page_has_the_numbers_of_the_result_files(method: str) -> None:
    result = load_result(result_path(RESULTS, method, "ferplus", "original", 1))
    flip = result.test.flip_consistency
    assert flip is not None and flip.mean is not None

    assert rows_of_all_methods()[method] == [*accuracies(result), decimals(flip.mean)]


@pytest.mark.parametrize(("label", "folder", "method"), UNDER_THE_PAPERS_PROTOCOL)
def test_the_page_has_the_runs_of_the_papers_protocol(label: str, folder: str, method: str) -> None:
    result = load_result(result_path(RESULTS / folder, method, "ferplus", "150", 1))
    views = result.test.two_views
    assert views is not None

    _, *rows = table_below("Under the paper's own protocol")
    assert {row[0]: row[1:] for row in rows}[label] == [*accuracies(result), f"{100 * views.overall:.2f} / {100 * views.mean:.2f}"]


def table_below(title: str) -> list[list[str]]:
    """The cells of the first table of a section, its heading first, without the line below that."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n### {title}\n")[2]
    rows = re.findall(r"(?:^\|.*\|\n)+", section, re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in (rows[0], *rows[2:])]


def decimals(value: float, sign: str = "") -> str:
    return f"{value:{sign}.3f}".replace("0.", ".", 1)


def conclusion(report: ClaimsReport, key: str, expression: str | None, names: list[str]) -> list[str]:
    """A measure's cells: each model's value, with the interval of its difference where the measure is no floor."""
    measures = [measure for claim in report.claims for measure in claim.measures]
    (measure,) = (measure for measure in measures if (measure.key, measure.expression) == (key, expression))
    cells = []
    for name in names:
        value, difference = measure.models[name].value, measure.differences.get(name)
        assert value is not None
        interval = None if difference is None or key == "floor" else difference.interval
        cells.append(decimals(value) if interval is None else f"{decimals(value)} [{', '.join(decimals(end, '+') for end in interval)}]")
    return cells


def test_the_page_has_the_conclusions_of_the_report() -> None:
    report = load_claims(ROOT / "checkpoints")
    heading, *rows = table_below("Do the conclusions of section 3 hold?")
    names = [cell.strip("`") for cell in heading[1:]]
    assert {row[0]: row[1:] for row in rows} == {
        label: conclusion(report, key, expression, names) for label, (key, expression) in CONCLUSIONS.items()
    }
    assert {report.models[name].against for name in names[1:]} == {names[0]}


def test_the_page_has_the_faithfulness_of_the_report() -> None:
    measured = load_claims(ROOT / "checkpoints").faithfulness
    assert measured is not None
    _, *rows = table_below("Do the maps show what the models use?")
    assert {row[0].strip("`"): row[1:] for row in rows} == {
        name: [f"{decimals(road.map.mean)} [{', '.join(map(decimals, road.map.interval))}]", decimals(road.random.mean)]
        for name, road in measured.models.items()
    }
