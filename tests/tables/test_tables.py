"""The tables: layout against the paper's, the numbers of made runs, and every format."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from app.cli import main
from model.errors import InputError
from model.measuring.results import save_result
from model.methods.registry import METHODS
from model.methods.settings import find_settings
from model.paper import paper_tables
from model.tables.formats import FORMATS, comma_separated, format_value, latex, markdown
from model.tables.layout import Group, Row, Table, Value
from model.tables.tables import build_tables, prevailing_protocol, run_tables
from model.training.config import TrainingConfig
from model.training.protocol import Protocol
from model.training.runs import TableCell, table_cells
from tests.live_server import ROOT
from tests.made_results import make_result

FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "fear", "disgust")


def rows_of(table: Table, label: str, source: str) -> list[Row]:
    return [row for group in table.groups for row in group.rows if row.label == label and row.source == source]


def values_of(row: Row, table: Table) -> dict[str, Value | None]:
    return dict(zip(table.columns, row.values, strict=True))


def test_the_printed_values_agree_with_the_test_faces() -> None:
    """A printed class accuracy is a whole number of faces, unless a flag says that it is a misprint."""
    for table in paper_tables().accuracy_tables:
        for row in (row for section in table.sections for row in section.rows):
            for name, faces, value in zip(table.classes, table.test_faces, row.values, strict=False):
                if name not in row.flags:
                    assert abs(100 * round(value * faces / 100) / faces - value) < 0.00501, (table.number, row.method, name)


def test_the_printed_summaries_follow_from_the_printed_classes() -> None:
    """Overall and mean, to the printed digits, unless a flag of the row says otherwise; every cell is filled."""
    for table in paper_tables().accuracy_tables:
        for row in (row for section in table.sections for row in section.rows):
            *classes, overall, mean = row.values
            weighted = sum(value * faces for value, faces in zip(classes, table.test_faces, strict=True)) / sum(table.test_faces)
            if not {"overall", "neutral"} & set(row.flags):
                assert overall == pytest.approx(weighted, abs=0.0101), (table.number, row.method)
            if not {"mean", "neutral"} & set(row.flags):
                assert mean == pytest.approx(sum(classes) / 7, abs=0.0101), (table.number, row.method)


def test_printed_totals_add_up_unless_flagged() -> None:
    for table in paper_tables().count_tables:
        for row in table.rows:
            assert (sum(row.counts) == row.total) != ("total" in row.flags)


def test_tables_have_the_papers_rows_in_order() -> None:
    one, two, three, four, five = build_tables([], Protocol())[:5]

    methods = [row.label for row in three.groups[0].rows if row.source == "paper"]
    assert methods == ["Baseline", "CB", "SCN", "BBN", "RUL", "SOFT", "EAC", "MEK (the paper's Ours)"]
    for table in (one, two):
        assert [row.label for row in table.groups[0].rows if row.source == "paper"] == [
            "SOFT",
            "SCN",
            "CB",
            "RUL",
            "MEK (the paper's Ours)",
        ]
    assert one.columns[:9] == ("happiness", "neutral", "sadness", "surprise", "disgust", "anger", "fear", "overall", "mean")
    assert three.columns[:9] == (*FERPLUS, "overall", "mean")
    assert [len(table.groups) for table in (four, five)] == [4, 4]


def test_a_measured_row_stands_beside_the_printed_one() -> None:
    table = build_tables([make_result(right=FERPLUS[:5])], Protocol())[2]
    (printed,), (here,) = rows_of(table, "Baseline", "paper"), rows_of(table, "Baseline", "here")

    assert values_of(printed, table)["mean"] == Value(73.61)
    measured = values_of(here, table)
    assert [format_value(measured[name]) for name in FERPLUS] == ["100.00"] * 5 + ["0.00"] * 2
    assert format_value(measured["overall"]) == "71.43 [25.0, 75.0]"
    assert format_value(measured["mean"]) == "71.43 [12.5, 87.5]"
    assert format_value(measured["macro AP"]) == "80.00"
    assert format_value(measured["flip consistency"]) == "0.900"
    assert here.command is None


def test_several_seeds_are_averaged_with_their_spread() -> None:
    runs = [make_result(seed=1, right=FERPLUS[:5]), make_result(seed=2, right=FERPLUS[:6]), make_result(seed=3, right=FERPLUS[:7])]
    table = build_tables(runs, Protocol())[2]
    measured = values_of(rows_of(table, "Baseline", "here")[0], table)

    # fear right in two of three runs: mean 2/3, standard deviation of (0, 1, 1) = sqrt(1/3) = .5774
    assert format_value(measured["fear"]) == "66.67 ± 57.74"
    assert format_value(measured["overall"]) == "85.71 ± 14.29"
    assert format_value(measured["seeds"]) == "3"


def test_the_prior_free_row_is_apart_from_the_papers_rows() -> None:
    table = build_tables([make_result()], Protocol())[2]
    group = next(group for group in table.groups if "prior" in group.title)

    (row,) = group.rows
    assert row.label == "Baseline, tau 1"
    assert format_value(values_of(row, table)["overall"]) == "25.00"
    assert not any("tau" in row.label for row in table.groups[0].rows)


def test_an_unmeasured_row_is_empty_and_names_its_command() -> None:
    table = build_tables([make_result()], Protocol())[2]
    (row,) = rows_of(table, "EAC", "here")

    assert set(row.values) == {None}
    assert row.command is not None
    for part in ("unturned train", "--method eac", "--dataset ferplus", "--imbalance original", "--seed 1"):
        assert part in row.command
    assert row.command in markdown([table])


def test_runs_of_another_protocol_are_left_out_and_counted() -> None:
    runs = [make_result(seed=1), make_result(seed=2), make_result(seed=3, epochs=4, right=())]
    assert prevailing_protocol(runs) == Protocol(epochs=10)
    table = build_tables(runs, prevailing_protocol(runs))[2]

    assert format_value(values_of(rows_of(table, "Baseline", "here")[0], table)["seeds"]) == "2"
    assert any(note.startswith("1 recorded runs of another") for note in table.notes)


@pytest.mark.parametrize("other", [{"settings": {"consistency": 5.0}}, {"counts": (1000, 1000, 500, 400, 300, 80, 20)}])
def test_runs_with_other_constants_or_fewer_faces_are_left_out(other: dict[str, Any]) -> None:
    table = build_tables([make_result(method="eac", seed=1), make_result(method="eac", seed=2, **other)], Protocol())[2]

    assert format_value(values_of(rows_of(table, "EAC", "here")[0], table)["seeds"]) == "1"
    assert any(note.startswith("1 recorded runs of another") for note in table.notes)


def test_a_thinned_run_stands_in_its_own_section() -> None:
    counts = (8740, 6923, 2842, 2584, 1710, 412, 87)
    tables = build_tables([make_result(method="mek", imbalance="100", counts=counts)], Protocol())
    fifty, hundred = (next(g for g in tables[1].groups if g.title == f"Imbalance factor {factor}") for factor in (50, 100))

    measured = [[row.command is None for row in group.rows if row.source == "here"] for group in (fifty, hundred)]
    assert measured == [[False] * 5, [False] * 4 + [True]]
    assert all(row.command for row in rows_of(tables[2], "MEK (the paper's Ours)", "here"))
    assert [row.values[-1] for row in rows_of(tables[4], "trained on", "here")][2] == Value(23298, decimals=0)


def test_a_run_that_no_row_shows_is_not_counted() -> None:
    """Table 2 has no row for votes, but one for CB."""
    told = ("Network in", "not shown")
    for method, rows in (("votes", 0), ("cb", 1)):
        runs = [make_result(method=method, imbalance="50", precision="bf16-mixed"), make_result(method=method, imbalance="50", seed=2)]
        assert sum(any(words in note for words in told) for note in build_tables(runs, Protocol())[1].notes) == rows


def test_runs_in_another_arithmetic_are_named() -> None:
    alike = [make_result(method="baseline"), make_result(method="mek")]
    assert not any("float32" in note for note in build_tables(alike, Protocol())[2].notes)
    mixed = [*alike, make_result(method="scn", seed=2, precision="bf16-mixed")]
    notes = build_tables(mixed, Protocol())[2].notes
    assert "Network in float32: Baseline, seed 1; MEK (the paper's Ours), seed 1." in notes
    assert "Network in bfloat16, heads and losses in float32: SCN, seed 2." in notes
    assert not any("float32" in note for note in build_tables(mixed, Protocol())[1].notes)  # none of these runs is in Table 2
    assert not any("of either kind" in note for note in notes)
    both = [*mixed, make_result(method="mek", seed=2, precision="bf16-mixed")]
    assert any(
        note.endswith("of either kind, which its ± covers, too: MEK (the paper's Ours).")
        for note in build_tables(both, Protocol())[2].notes
    )


def test_counts_come_from_paper_rule_and_recorded_run() -> None:
    five = build_tables([make_result()], Protocol())[4]
    whole, _, hundred, one_fifty = five.groups

    assert [format_value(value) for value in whole.rows[-1].values] == ["8740", "7287", "3149", "3014", "2100", "532", "119", "24941"]
    assert [format_value(row.values[-1]) for row in hundred.rows[:2]] == ["23280", "23298"]
    assert hundred.rows[0].values[-1].note is not None  # type: ignore[union-attr]
    assert [format_value(row.values[1]) for row in one_fifty.rows[:2]] == ["6465", "6469"]
    assert one_fifty.rows[-1].command is not None


def test_known_misprints_are_footnotes_in_every_readable_format() -> None:
    table = build_tables([], Protocol())[2]

    assert "88.36 (" in markdown([table])
    assert r"88.36\textsuperscript" in latex([table])
    for form in FORMATS.values():
        assert "90.73" in form([table])


def test_text_is_escaped() -> None:
    table = Table("T & <b>", "50 % of _x_", ("a",), ())

    assert r"50 \% of \_x\_" in latex([table])


def test_markdown_rows_have_one_width_a_table() -> None:
    text = markdown(build_tables([make_result()], Protocol())[2:3])
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}

    assert len(widths) == 1


def test_csv_gives_numbers_in_full() -> None:
    rows = list(csv.DictReader(io.StringIO(comma_separated(build_tables([make_result()], Protocol())))))
    (mean,) = (row for row in rows if (row["table"], row["row"], row["source"], row["column"]) == ("Table 3", "Baseline", "here", "mean"))

    assert float(mean["value"]) == pytest.approx(500 / 7)
    assert (mean["low"], mean["high"]) == ("12.5", "87.5")


def test_run_tables_writes_what_it_would_print(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_result(tmp_path / "results", make_result())

    assert run_tables(tmp_path / "results", "markdown") == 0
    assert run_tables(tmp_path / "results", "markdown", tmp_path / "docs" / "tables.md") == 0
    assert (tmp_path / "docs" / "tables.md").read_text() == capsys.readouterr().out
    with pytest.raises(ValueError, match="unknown format 'pdf'"):
        run_tables(tmp_path / "results", "pdf")


def test_the_default_protocol_is_that_of_training() -> None:
    config = TrainingConfig(method="baseline")

    assert Protocol() == Protocol(config.network, config.input_size, config.epochs, config.batch, config.lr, config.weight_decay)


def test_cells_of_a_table_are_its_rows_for_every_seed() -> None:
    cells = table_cells(2, seeds=[1, 2])

    assert len(cells) == len(set(cells))
    assert {cell.imbalance for cell in cells} == {"50", "100", "150"}
    assert {cell.method for cell in cells} == {"soft", "scn", "cb", "rul", "mek", "baseline", "mek_sf", "cac"} & set(METHODS)
    assert [cell.seed for cell in cells] == [1] * (len(cells) // 2) + [2] * (len(cells) // 2)
    assert {cell.method for cell in table_cells(3, [1], methods=["mek"])} == {"mek"}


def test_cells_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="no row nonsense"):
        table_cells(3, [1], methods=["nonsense"])
    with pytest.raises(ValueError, match="no Table 4 of accuracies"):
        table_cells(4, [1])


def test_a_command_names_all_that_differs_from_the_usual_protocol() -> None:
    cell = TableCell("mek", "ferplus", "50", 1)
    usual = cell.arguments("DIR", Protocol())
    other = cell.arguments("DIR", Protocol(network="resnet18", parts=2, resnet18_weights="faces.safetensors"))
    assert not {"--parts", "--resnet18-weights"} & set(usual)
    assert other[other.index("--parts") + 1] == "2"
    assert other[other.index("--resnet18-weights") + 1] == "faces.safetensors"


def test_runs_from_other_pretrained_weights_are_of_another_protocol() -> None:
    run = make_result()
    pretrained = run.model_copy(update={"hyperparameters": run.hyperparameters | {"resnet18_weights": "faces.safetensors"}})
    assert Protocol.of(run).matches(run)
    assert not Protocol.of(run).matches(pretrained)
    assert Protocol.of(pretrained).matches(pretrained)


def test_a_run_from_before_a_constant_was_there_has_its_default() -> None:
    early = make_result(method="cac", settings=asdict(find_settings("cac")()))
    assert early.settings.pop("distillation") == 0
    assert Protocol.of(early).matches(early)
    early.settings["agreement"] = 6.0
    assert not Protocol.of(early).matches(early)


def test_a_run_of_the_papers_protocol_has_the_papers_constants() -> None:
    paper: dict[str, JsonValue] = {"optimizer": "adam-exponential", "weight_decay": 1e-4, "augmentation": "erase"}
    usual, papers = (
        make_result(method="mek", epochs=60, settings=constants) for constants in ({}, {"consistency": 0.12, "smoothing": 0.1})
    )
    for run, fits_the_tables, fits_the_paper in ((usual, True, False), (papers, False, True)):
        assert Protocol.of(run).matches(run) == fits_the_tables
        run.hyperparameters.update(paper)
        assert Protocol.of(run).matches(run) == fits_the_paper


def test_a_run_with_a_constant_that_is_gone_is_a_usual_one_where_the_constant_did_nothing() -> None:
    early = make_result(method="cac", settings=asdict(find_settings("cac")()) | {"ensembling": 0.0, "momentum": 0.8})
    assert Protocol.of(early).matches(early)
    early.settings["ensembling"] = 0.6
    assert not Protocol.of(early).matches(early)


def test_the_documents_tables_are_those_of_the_committed_results(tmp_path: Path) -> None:
    written = tmp_path / "tables.md"
    assert main(["tables", "--results", str(ROOT / "checkpoints/results"), "--out", str(written)]) == 0
    assert written.read_text(encoding="utf-8") == (ROOT / "docs/tables.md").read_text(encoding="utf-8"), (
        "run unturned tables --out docs/tables.md"
    )


def test_a_folder_that_is_not_there_is_refused_and_the_file_kept(tmp_path: Path) -> None:
    kept = tmp_path / "tables.md"
    kept.write_text("of before")
    with pytest.raises(InputError, match="no such folder"):
        run_tables(tmp_path / "typo", out=kept)
    assert kept.read_text() == "of before"


def test_a_table_without_notes_has_no_empty_list_in_latex() -> None:
    """LaTeX stops at a list without items."""
    row = Row("row", "here", (Value(1.0),))
    assert "itemize" not in latex([Table("Table 9", "t", ("a",), (Group("g", (row,)),))])
    assert "itemize" in latex([Table("Table 9", "t", ("a",), (Group("g", (row,)),), ("a note",))])


def test_only_the_first_seed_of_table_3_is_shipped() -> None:
    assert "--ship" in TableCell("mek", "ferplus", "original", 1).arguments("DIR", Protocol())
    for other in (
        TableCell("mek", "ferplus", "original", 2),
        TableCell("mek", "ferplus", "50", 1),
        TableCell("mek", "rafdb", "original", 1),
    ):
        assert "--ship" not in other.arguments("DIR", Protocol())
