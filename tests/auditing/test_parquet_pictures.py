"""Parquet files as data sets are published: by Hugging Face's own writer, and with labels that are numbers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.auditing.listing import read_listing, write_listing
from model.auditing.manifest import AuditError
from model.auditing.sources import open_source

CONTENTS = [b"one", b"two", b"three"]


def test_class_labels_that_datasets_writes_get_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import ClassLabel, Dataset, Features, Image

    rows = {"image": [{"bytes": content, "path": None} for content in CONTENTS], "label": [1, 0, -1]}  # -1: not told
    features = Features({"image": Image(), "label": ClassLabel(names=["angry", "fear"])})
    Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "faces.parquet"))
    source = open_source(str(tmp_path / "faces.parquet"))
    assert write_listing(source, None, 8, tmp_path / "listing").labelled == 2
    listed = read_listing(tmp_path / "listing", 0)
    assert [picture.label for picture in listed] == ["fear", "anger", None]
    assert [source.read(picture.place) for picture in listed] == CONTENTS


@pytest.mark.parametrize("metadata", [None, {b"huggingface": b"{}"}, {b"huggingface": b"?"}])
def test_numbers_without_names_need_a_table(metadata: dict[bytes, bytes] | None, tmp_path: Path) -> None:
    table = pa.table({"image": CONTENTS, "label": [0, 1, 2]})
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "faces.parquet")
    source = open_source(str(tmp_path / "faces.parquet"))
    with pytest.raises(AuditError, match=r"faces\.parquet#0: the label '0' is none of .*give --labels a table"):
        write_listing(source, None, 8, tmp_path / "listing")
    assert write_listing(source, {"faces.parquet#1": ("fear", None)}, 8, tmp_path / "listing").labelled == 1
