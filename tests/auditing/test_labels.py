"""Labels by picture: from a table of the user's, and from FERPlus."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from model.auditing.labels import read_labels
from model.auditing.manifest import AuditError
from model.data.faces import DatasetError
from model.data.ferplus import SPLITS, VOTE_COLUMNS, VOTES_FILE, load_ferplus
from model.expressions import EXPRESSIONS


def test_a_table_gives_labels_and_splits(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('id,split,label\na.png,train,fear\n"b, c.png",,\nd.png,,Happy\n', encoding="utf-8-sig")
    assert read_labels(path) == {"a.png": ("fear", "train"), "b, c.png": (None, None), "d.png": ("happiness", None)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("file,label\na,fear\n", "lacks the column id"),
        ("id,label\na,fear\nb,contempt\n", "line 3: the label 'contempt' is none of neutral, happiness"),
        ("id,label\na,fear\nb,fear\na,anger\n", "line 4: a stands there twice, with another label or split: keep one of them"),
        ("label,id\nfear,a.png\nhappiness\n", "line 3: the row has no id"),
        ("id,label\n,fear\n", "line 2: the row has no id"),
        ("id,label\n", "names no picture"),
        ("", "lacks the column id and label"),
        ("id,label\na\n", None),
    ],
)
def test_a_table_that_is_none_is_refused(content: str, reason: str | None, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(content)
    if reason is None:
        assert read_labels(path) == {"a": (None, None)}
        return
    with pytest.raises(AuditError, match=reason):
        read_labels(path)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="give a CSV file"):
        read_labels(tmp_path / "labels.csv")


def test_a_table_of_ferplus_that_is_damaged_or_empty_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ferplus.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(VOTES_FILE, "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(10)))
    whole = path.read_bytes()
    for place in range(100, 130):  # within the compressed bytes
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with pytest.raises(DatasetError):
            read_labels(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(VOTES_FILE, ",".join(["Usage", "Image name", *VOTE_COLUMNS]) + "\n")
    with pytest.raises(DatasetError, match="names no picture"):
        read_labels(path)


@pytest.mark.dataset
def test_the_labels_of_ferplus_are_those_that_models_are_trained_on(ferplus_zip: Path) -> None:
    labels = read_labels(ferplus_zip)
    for split, (_, folder) in SPLITS.items():
        faces = load_ferplus(ferplus_zip, split)
        expected = {
            f"{folder}/{name}": (None if label < 0 else EXPRESSIONS[label], split)
            for name, label in zip(faces.names, faces.labels.tolist(), strict=True)
        }
        assert {name: said for name, said in labels.items() if name.startswith(folder)} == expected
