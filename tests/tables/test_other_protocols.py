"""Runs of another length have tables of their own, apart from the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model.expressions import EXPRESSIONS
from model.measuring.results import ResultError, RunResult, save_result
from model.tables.formats import format_value
from model.tables.layout import Table
from model.tables.other_protocols import protocol_tables
from model.tables.tables import tables_of_folder
from tests.made_results import make_predicted_result, make_result, make_result_fields


def measured_in_the_mirror(method: str, overall: float, changed: float, seed: int = 1) -> RunResult:
    fields = make_result_fields(method=method, epochs=30, seed=seed)
    figure = {"value": 0.5, "interval": [0.4, 0.6]}
    test: dict[str, Any] = fields["test"]
    test["mirror"] = dict.fromkeys(("own_symmetry", "other_faces", "own_mirror_found", "total_variation"), figure) | {
        "changed_answers": {"value": changed, "interval": [0.01, 0.2]}
    }
    frontier = [{"tau": 0.0, "overall": 0.8, "mean": 0.7}, {"tau": 0.5, "overall": 0.75, "mean": 0.78}]
    test["frontier"] = frontier
    test["two_views"] = {
        "overall": overall,
        "mean": 0.75,
        "per_class": dict.fromkeys(EXPRESSIONS, 0.75),
        "macro_average_precision": 0.8,
        "intervals": {"overall": [0.8, 0.9], "mean": [0.7, 0.8]},
        "frontier": frontier,
    }
    return RunResult(**fields)


def with_overall(run: RunResult, overall: float) -> RunResult:
    return run.model_copy(update={"test": run.test.model_copy(update={"overall": overall})})


def shown(table: Table) -> dict[str, list[str]]:
    texts = {}
    for group in table.groups:
        for row in group.rows:
            texts[row.label] = ["" if value is None else format_value(value) for value in row.values]
    return texts


def test_the_mirror_of_two_seeds_is_averaged_and_older_runs_have_no_row() -> None:
    runs = [measured_in_the_mirror("cac", 0.86, 0.02), measured_in_the_mirror("cac", 0.88, 0.04, seed=2), make_result(epochs=30)]
    accuracy, mirror, frontier = protocol_tables(runs)
    assert list(shown(accuracy)) == ["Baseline", "Contrastive consistency"]
    rows = shown(mirror)
    assert list(rows) == ["Contrastive consistency"]
    assert rows["Contrastive consistency"][mirror.columns.index("changed answers, %")] == "3.0 ± 1.4"
    assert rows["Contrastive consistency"][mirror.columns.index("two views: overall")] == "87.00 ± 1.41"
    assert frontier.columns == ("tau 0", "tau 0.5", "above the baseline", "at least", "over")
    assert shown(frontier)["Contrastive consistency, one view: mean"] == ["70.00 ± 0.00", "78.00 ± 0.00", "", "", ""]


PAPERS = "weight decay 0.0001, augmentation {}, optimizer adam-exponential"


@pytest.mark.parametrize(
    ("epochs", "chosen", "title", "choices"),
    [
        (30, {"weight_decay": 1e-4}, "30 epochs, weight decay 0.0001", "30 epochs, weight decay 0.0001"),
        (60, {"augmentation": "erase-mirror"}, "The paper's protocol", f"60 epochs, {PAPERS.format('erase-mirror')}"),
        (60, {"augmentation": "erase"}, "The paper's protocol, augmentation erase", f"60 epochs, {PAPERS.format('erase')}"),
        (30, {"augmentation": "erase-mirror"}, "The paper's protocol, 30 epochs", f"30 epochs, {PAPERS.format('erase-mirror')}"),
    ],
)
def test_the_title_names_the_protocol_and_a_note_all_that_is_not_as_in_the_tables(
    epochs: int, chosen: dict[str, object], title: str, choices: str
) -> None:
    fields = make_result_fields(epochs=epochs)
    of_paper = {"optimizer": "adam-exponential", "weight_decay": 1e-4} if "augmentation" in chosen else {}
    fields["hyperparameters"] |= of_paper | chosen
    table = protocol_tables([RunResult(**fields)])[0]
    assert table.name == title
    assert table.notes[0] == f"As in Table 3, but {choices}: not to be compared with rows of another protocol."


def test_constants_that_are_not_the_usual_ones_are_named_once() -> None:
    runs = [make_result(method="mek", epochs=60, seed=seed, settings={"smoothing": 0.1}) for seed in (1, 2)]
    notes = protocol_tables([make_result(epochs=60), *runs])[0].notes
    assert [note for note in notes if "smoothing" in note] == ["MEK (the paper's Ours): smoothing 0.1, not as in Tables 1 to 3."]


def test_runs_in_two_arithmetics_are_named_wherever_they_are_set_against_each_other() -> None:
    runs = [make_result(epochs=30, precision="bf16-mixed"), make_result(method="mek", epochs=30)]
    accuracy, *_ = protocol_tables(runs)
    assert "Network in float32: MEK (the paper's Ours), seed 1." in accuracy.notes
    predicted = [make_predicted_result("01", "00", epochs=30, **fields) for fields in ({"precision": "bf16-mixed"}, {"method": "mek"})]
    distance = next(table for table in protocol_tables(predicted) if table.name == "30 epochs: distance from plain training")
    assert "Network in float32: MEK (the paper's Ours), seed 1." in distance.notes


def test_the_distance_from_plain_training_is_that_of_the_same_seeds() -> None:
    overall = {"baseline": (0.80, 0.84), "cac": (0.83, 0.86)}
    runs = [with_overall(measured_in_the_mirror(method, 0.9, 0.02, 1 + i), overall[method][i]) for method in overall for i in range(2)]
    by_seed = next(table for table in protocol_tables(runs) if table.name == "30 epochs: distance from plain training by seed")
    (row,) = (row for row in by_seed.groups[0].rows if row.label == "Contrastive consistency")
    assert [format_value(value) for value in row.values if value] == ["3.00", "2.00", "2.50 ± 0.71"]


def test_the_frontier_says_how_far_it_lies_above_the_baselines() -> None:
    plain = measured_in_the_mirror("baseline", 0.86, 0.02)
    higher = plain.test.model_copy(update={"frontier": tuple(p.model_copy(update={"mean": p.mean + 0.03}) for p in plain.test.frontier)})
    ours = measured_in_the_mirror("cac", 0.86, 0.02).model_copy(update={"test": higher})
    rows = shown(protocol_tables([plain, ours])[2])
    assert rows["Contrastive consistency, one view: mean"][-3:] == ["3.00", "3.00", "5.00"]
    assert rows["Contrastive consistency, two views: mean"][-3:] == ["0.00", "0.00", "5.00"]
    assert rows["Baseline, one view: mean"][-3:] == ["", "", ""]


def test_the_interval_of_a_fraction_has_the_decimals_of_the_fraction() -> None:
    mirror = protocol_tables([measured_in_the_mirror("cac", 0.86, 0.02)])[1]
    row = shown(mirror)["Contrastive consistency"]
    assert row[mirror.columns.index("own symmetry")] == "0.500 [0.400, 0.600]"
    assert row[mirror.columns.index("changed answers, %")] == "2.0 [1.0, 20.0]"


def test_networks_of_other_teachers_are_no_seeds_of_one_run(tmp_path: Path) -> None:
    for seed, sha256 in ((1, "a" * 64), (2, "b" * 64)):
        fields = make_result_fields(method="cac", epochs=30, seed=seed)
        fields["hyperparameters"]["teachers"] = {"baseline": sha256}
        save_result(tmp_path / "long", RunResult(**fields))
    with pytest.raises(ResultError, match="differ in teachers"):
        tables_of_folder(tmp_path)


def test_runs_of_two_lengths_never_share_a_table(tmp_path: Path) -> None:
    save_result(tmp_path, make_result(seed=1))
    save_result(tmp_path / "epochs30", make_result(epochs=30))
    tables = tables_of_folder(tmp_path)
    assert [table.name for table in tables if "30" in table.name] == ["30 epochs"]
    assert not [note for table in tables[:3] for note in table.notes if "recorded runs of another" in note]


@pytest.mark.parametrize(("other", "named"), [({"epochs": 60}, "epochs"), ({"settings": {"smoothing": 0.1}}, "smoothing")])
def test_runs_that_are_not_alike_are_refused_by_name_instead_of_averaged(other: dict[str, Any], named: str, tmp_path: Path) -> None:
    folder = tmp_path / "long"
    for fields in ({}, {"method": "mek"}, {"method": "mek", "seed": 2}, {"method": "mek", "seed": 3, **other}):
        save_result(folder, make_result(**{"epochs": 30, **fields}))
    with pytest.raises(ResultError, match=rf"long: ferplus-\S+-seed1.json and ferplus-original-mek-seed3.json differ in {named}, so"):
        tables_of_folder(tmp_path)
