"""The page on contrastive consistency has the numbers of the result files, and its programs run and do what they are said to do."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from model.expressions import EXPRESSIONS
from model.files.json_file import load_json
from model.measuring.results import RESULTS_FOLDER, TRIALS_FOLDER, ResultError, RunResult, SplitMetrics
from tests.methods.cases import real_batch, real_method

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contrastive_consistency.md"
RESULTS = ROOT / "checkpoints" / RESULTS_FOLDER
TRIALS = RESULTS / TRIALS_FOLDER
LONG = RESULTS / "epochs30"
# Rows of the tables of runs: a label, without its split, and the file.
RUNS = {
    "the whole loss": RESULTS / "ferplus-original-cac-seed1.json",
    "without contrast": TRIALS / "ferplus-original-cac-seed1-contrast0.json",
    "without concordance": TRIALS / "ferplus-original-cac-seed1-consistency0.json",
    "without agreement": TRIALS / "ferplus-original-cac-seed1-agreement0.json",
    "the whole loss, seed 2": RESULTS / "ferplus-original-cac-seed2.json",
    "without adjustment, seed 2": TRIALS / "ferplus-original-cac-seed2-adjustment0.json",
    "as above": LONG / "ferplus-original-cac-seed1.json",
    "more agreement": TRIALS / "ferplus-original-cac-seed1-epochs30-agreement6.json",
    "with earlier answers": TRIALS / "ferplus-original-cac-seed1-epochs30-temperature0.15-agreement6-ensembling0.6.json",
    "taught": TRIALS / "ferplus-original-cac-seed1-epochs30-distillation0.7.json",
}
METHODS = {"plain training": "baseline", "contrastive consistency": "cac"}


def rows(label: str) -> list[list[str]]:
    """The cells after the label of every row that has it."""
    found = re.findall(rf"^\| {re.escape(label)} \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, label
    return [[cell.strip() for cell in row.split("|")] for row in found]


def decimals(value: float | None) -> str:
    assert value is not None
    return f"{value:.3f}".removeprefix("0")


def pair(overall: float, mean: float) -> str:
    return f"{100 * overall:.2f} / {100 * mean:.2f}"


def per_cent(value: float | None) -> str:
    assert value is not None
    return f"{100 * value:.1f}"


def cells_of(split: SplitMetrics) -> list[str]:
    mirror, views, flip = split.mirror, split.two_views, split.flip_consistency
    assert mirror is not None and views is not None and flip is not None
    changed = mirror.changed_answers
    assert changed.interval is not None
    return [
        pair(split.overall, split.mean),
        per_cent(split.macro_average_precision),
        pair(views.overall, views.mean),
        *(decimals(value) for value in (flip.mean, mirror.own_symmetry.value, mirror.other_faces.value)),
        decimals(mirror.own_mirror_found.value),
        f"{per_cent(changed.value)} [{', '.join(map(per_cent, changed.interval))}]",
        decimals(mirror.total_variation.value),
    ]


@pytest.mark.parametrize("label", RUNS)
def test_the_page_has_the_numbers_of_each_run(label: str) -> None:
    run = load_json(RUNS[label], RunResult, ResultError)
    assert run.valid is not None
    for split, metrics in {"validation": run.valid, "test": run.test}.items():
        expected = cells_of(metrics)
        for row in rows(f"{label}, {split}"):
            # tables of runs that nearly all find their own mirror image have no column for it
            assert row == (expected if len(row) == len(expected) else [*expected[:6], *expected[7:]])


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("title", METHODS)
def test_the_page_has_the_numbers_of_each_seed(title: str, seed: int) -> None:
    run = load_json(LONG / f"ferplus-original-{METHODS[title]}-seed{seed}.json", RunResult, ResultError)
    valid, test = run.valid, run.test
    assert valid is not None and valid.two_views is not None and test.two_views is not None and test.mirror is not None
    seen = (valid, valid.two_views, test, test.two_views)
    expected = [*(pair(one.overall, one.mean) for one in seen), per_cent(test.mirror.changed_answers.value)]
    assert rows(f"{title}, seed {seed}") == [expected]


def program(index: int, folder: Path) -> dict[str, Any]:
    """The names that one of the page's programs leaves, run in the repository."""
    programs = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    file = folder / "program.py"
    file.write_text(programs[index], encoding="utf-8")
    return runpy.run_path(str(file))


def test_the_loss_for_other_networks_is_the_methods(tmp_path: Path) -> None:
    method, batch = real_method("cac"), real_batch()
    head = method.pooled_head
    linear = nn.Linear(head.weight.shape[1], len(EXPRESSIONS))
    linear.weight, linear.bias = head.weight, head.bias
    loss = program(0, tmp_path)["contrastive_consistency"]
    own = loss(method.classifier.network, linear, batch.images, batch.labels, list(method.task.counts))
    torch.testing.assert_close(own, method(batch)["loss"])


def test_a_trained_network_answers_as_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    left = program(1, tmp_path)
    assert (tuple(left["logits"].shape), tuple(left["maps"].shape)) == ((8, 7), (8, 7, 5, 5))
    assert set(left["expressions"]) <= set(EXPRESSIONS)
