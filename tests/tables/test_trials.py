"""Trials: read beside the results under names of their own, and shown by what they tried."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model.measuring.results import (
    RESULTS_FOLDER,
    TRIALS_FOLDER,
    ResultError,
    RunResult,
    load_results,
    load_trials,
    result_path,
    save_result,
)
from model.methods.settings import usual_settings
from model.tables.formats import format_value
from model.tables.tables import run_tables
from model.tables.trials import trials_table
from model.training.protocol import Protocol
from tests.live_server import ROOT
from tests.made_results import make_result, make_result_fields


def test_a_row_says_what_is_not_as_in_the_tables() -> None:
    trials = [
        make_result(method="mek", epochs=3, settings={"consistency": 0.1}, precision="bf16-mixed"),
        make_result(method="baseline", epochs=3, precision="bf16-mixed"),
        make_result(method="baseline", epochs=3, lr=4e-4),
        make_result(method="cb", settings={"beta": 0.5}, imbalance="50"),
        make_result(method="soft", imbalance="150", precision="bf16-mixed"),
        make_result(method="soft", settings={"smoothing": 0.1}, imbalance="150", precision="bf16-mixed"),
    ]
    table = trials_table(trials, Protocol())

    assert [(group.title, [row.label for row in group.rows]) for group in table.groups] == [
        ("FERPlus, all training faces: 3 epochs", ["Baseline", "Baseline, lr 0.0004, float32", "MEK (the paper's Ours), consistency 0.1"]),
        ("FERPlus, imbalance factor 50: 10 epochs", ["CB, beta 0.5, float32"]),
        ("FERPlus, imbalance factor 150: 10 epochs", ["SOFT, bfloat16", "SOFT, smoothing 0.1"]),
    ]


def test_seeds_of_one_trial_share_a_row() -> None:
    # five and three of seven classes right on the test split: 71.43 and 42.86, mean 57.14, standard deviation 20.20
    trials = [
        make_result(seed=seed, right=("neutral", "happiness", "surprise", "sadness", "anger")[:right]) for seed, right in ((1, 5), (2, 3))
    ]
    ((row,),) = (group.rows for group in trials_table(trials, Protocol()).groups)

    assert [format_value(value) for value in row.values] == ["", "", "", "57.14 ± 20.20", "57.14 ± 20.20", "0.900 ± 0.000", "2"]


def test_trials_of_other_teachers_have_rows_of_their_own() -> None:
    trials = []
    for seed, sha256 in ((1, "a" * 64), (2, "b" * 64)):
        fields = make_result_fields(method="cac", seed=seed, settings={"distillation": 0.5})
        fields["hyperparameters"]["teachers"] = {"baseline": sha256}
        trials.append(RunResult(**fields))
    ((one, other),) = (group.rows for group in trials_table(trials, Protocol()).groups)
    assert one.label == "Contrastive consistency, distillation 0.5, teacher baseline aaaaaaa, float32"
    assert other.label == "Contrastive consistency, distillation 0.5, teacher baseline bbbbbbb, float32"


def test_trials_are_no_results_and_have_their_own_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_result(tmp_path, make_result())
    tried = make_result(method="cb", settings={"beta": 0.5})
    saved = save_result(tmp_path / TRIALS_FOLDER, tried)
    saved.rename(saved.with_name("ferplus-original-cb-seed1-beta0.5.json"))

    assert load_trials(tmp_path) == [tried]
    assert [run.method for run in load_results(tmp_path)] == ["baseline"]
    assert run_tables(tmp_path) == 0
    assert "| CB, beta 0.5, float32 | here |" in capsys.readouterr().out


def test_a_damaged_trial_is_named(tmp_path: Path) -> None:
    path = result_path(tmp_path / TRIALS_FOLDER, "cb", "ferplus", "original", 1)
    path.parent.mkdir()
    path.write_text("{")
    with pytest.raises(ResultError, match=r"cb-seed1\.json: "):
        load_trials(tmp_path)


def test_the_file_name_of_a_committed_trial_says_what_was_tried_by_the_names_of_the_settings() -> None:
    for path in (ROOT / "checkpoints" / RESULTS_FOLDER / TRIALS_FOLDER).glob("*.json"):
        trial = RunResult.model_validate_json(path.read_bytes())
        run = result_path(path.parent, trial.method, trial.dataset, trial.imbalance, trial.seed).stem
        said = path.stem.removeprefix(run).removesuffix("-bfloat16")
        pairs = {name: float(value) for name, value in re.findall(r"-([a-z_]+)([\d.]+)", said)}
        tried = {"epochs": trial.epochs, **trial.settings}
        usual = {"epochs": Protocol.epochs, **usual_settings(trial.method)}

        assert said == "".join(f"-{name}{value:g}" for name, value in pairs.items()), path.name
        assert pairs == {name: tried.get(name) for name in pairs}, path.name
        assert {name for name in tried if tried[name] != usual[name]} <= pairs.keys(), path.name
