"""``unturned audit --report``: findings of a finished audit, written again."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import main
from model.findings.command import write_findings
from tests.auditing.made_audit import write_data_set
from tests.made_findings import MadeFace, write_audit


def made(folder: Path) -> Path:
    names = ("neutral", "happiness", "anger")
    faces = [MadeFace(f"{index}.png", names[index % 3], names[index % 3], split="train") for index in range(12)]
    return write_audit(folder, [*faces, MadeFace("wrong.png", "happiness", "neutral", sure=0.95)])


def test_findings_are_the_same_each_time_and_a_warning_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made(tmp_path / "audit")
    write_findings(folder)
    files = {name: (folder / name).read_bytes() for name in ("issues.parquet", "report.html")}
    for name in files:
        (folder / name).unlink()
    assert main(["audit", "--report", str(folder)]) == 0
    said = capsys.readouterr()
    assert "1 label" in said.out
    assert said.err.startswith("warning: the labels of 12 of 13 faces")
    assert {name: (folder / name).read_bytes() for name in files} == files


def test_labels_are_judged_by_classifiers_that_have_not_seen_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made(tmp_path / "audit")
    assert main(["audit", "--report", str(folder), "--cross-fit", "3"]) == 0
    assert capsys.readouterr().err == ""
    assert "classifiers of 3 folds, none of which had seen the face" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["faces.zip", "--report", "audit", "--out", "audit"], "as it is: leave out SRC, --out"),
        (["--report", "audit", "--labels", "corrected.csv", "--cross-fit", "5"], "as it is: leave out --labels"),
        (["--report", "audit", "--models", "mek", "--crop", "whole", "--shard-rows", "9"], "leave out --models, --crop, --shard-rows"),
        (["--report", "audit", "--engine", "ray", "--workers", "2", "--address", "a:1"], "leave out --engine, --workers, --address"),
        (["faces.zip"], "give SRC and --out, or the --report of a finished audit"),
        (["--report", "nowhere"], "give the folder that unturned audit --out wrote"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_one_part_leaves_nothing_to_learn_from_and_is_refused_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["audit", "faces.zip", "--out", "audit", "--cross-fit", "1"])
    assert "argument --cross-fit: '1' leaves no other part to learn from: 2 or more" in capsys.readouterr().err


def test_cross_fitting_without_labels_is_refused_before_any_work(
    tmp_path: Path, random_checkpoints: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data_set(tmp_path / "faces.zip", 3)
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))
    assert main(["audit", str(tmp_path / "faces.zip"), "--out", str(tmp_path / "audit"), "--cross-fit", "5"]) == 2
    assert "--cross-fit 5 needs as many labelled pictures, and 0 have a label: give --labels" in capsys.readouterr().err
    assert not list((tmp_path / "audit").glob("part-*"))
