"""The findings open in the tools people have: pandas and Hugging Face's datasets read what this project's reader reads."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from model.auditing.parts import Audit
from model.findings.command import write_findings
from model.findings.issues import ISSUES_FILE, read_issues
from model.findings.report import face_files
from tests.made_findings import MadeFace, write_audit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ("neutral", "happiness", "anger")
    faces = [MadeFace(f"{index}.png", names[index % 3], names[index % 3], sha256=f"{index % 10:064x}") for index in range(12)]
    write_findings(write_audit(tmp_path / "audit", [*faces, MadeFace("wrong.png", "happiness", "neutral", sure=0.95)]))
    return tmp_path / "audit"


def test_pandas_reads_the_issues(folder: Path) -> None:
    table = pd.read_parquet(folder / ISSUES_FILE)
    expected = read_issues(folder)
    assert list(table.columns) == expected.schema.names
    assert table["id"].tolist() == expected.column("id").to_pylist()
    assert [list(related) for related in table["related"]] == expected.column("related").to_pylist()
    wrong = table[table["kind"] == "label"].sort_values("rank").iloc[0]
    assert (wrong["id"], wrong["suggested_label"]) == ("wrong.png", "neutral")


def test_pandas_puts_the_faces_beside_the_issues(folder: Path) -> None:
    parts = [pd.read_parquet(part, columns=["face"]) for part in sorted(folder.glob("part-*.parquet"))]
    issues = pd.read_parquet(folder / ISSUES_FILE).join(pd.concat(parts, ignore_index=True), on="row")
    assert len(issues)
    expected = face_files(Audit(folder), issues["row"])
    assert all(face == expected[row] for row, face in zip(issues["row"], issues["face"], strict=True))


def test_hugging_face_datasets_reads_the_issues(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import Dataset

    loaded = Dataset.from_parquet(str(folder / ISSUES_FILE), cache_dir=str(tmp_path / "cache"))
    assert loaded.to_list() == read_issues(folder).to_pylist()
    copies = loaded.filter(lambda row: row["kind"] == "duplicate", load_from_cache_file=False)
    assert sorted(copies["id"]) == ["0.png", "1.png", "10.png", "11.png"]
