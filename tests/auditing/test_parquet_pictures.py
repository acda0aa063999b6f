"""Parquet files as data sets are published: by Hugging Face's own writer, and with labels that are numbers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.auditing.listing import read_listing, write_listing
from model.auditing.manifest import AuditError
from model.auditing.sources import READ_ERRORS, open_source

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


def test_rows_of_a_damaged_group_are_errors_and_never_other_rows(tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    pictures = [bytes([row]) * 1000 for row in range(24)]
    pq.write_table(pa.table({"image": pictures}), path, row_group_size=8, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    for damaged in (0, 1):
        begins = pq.ParquetFile(path).metadata.row_group(damaged).column(0).data_page_offset
        content[begins : begins + 16] = b"\xff" * 16  # the page's header
    path.write_bytes(content)
    source = open_source(str(path))
    for row, place in enumerate(picture.place for picture in source.pictures()):
        if row < 16:
            with pytest.raises(READ_ERRORS):
                source.read(place)
        else:
            assert source.read(place) == pictures[row]


def test_pictures_are_read_in_any_order(tmp_path: Path) -> None:
    pictures = [bytes([row]) for row in range(100)]
    pq.write_table(pa.table({"image": pictures}), tmp_path / "faces.parquet", row_group_size=60)
    source = open_source(str(tmp_path / "faces.parquet"))
    places = [picture.place for picture in source.pictures()]
    for row in (99, 3, 4, 50, 3, 59, 60, 61, 0):
        assert source.read(places[row]) == pictures[row]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
def test_bytes_of_every_kind_are_pictures(kind: pa.DataType, tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": pa.array(CONTENTS, kind)}), tmp_path / "faces.parquet")
    source = open_source(str(tmp_path / "faces.parquet"))
    assert [source.read(picture.place) for picture in source.pictures()] == CONTENTS


def test_categories_are_text_and_an_id_may_be_a_number(tmp_path: Path) -> None:
    columns = {"label": pa.array(["fear", None, "fear"]).dictionary_encode(), "split": pa.array(["a", "b", "b"]).dictionary_encode()}
    pq.write_table(pa.table({"image": CONTENTS, "id": [7, None, 9]} | columns), tmp_path / "faces.parquet")
    listed = list(open_source(str(tmp_path / "faces.parquet")).pictures())
    told = [(picture.id, picture.label, picture.split) for picture in listed]
    assert told == [("7", "fear", "a"), ("faces.parquet#1", None, "b"), ("9", "fear", "b")]


def test_a_label_that_is_no_label_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": CONTENTS, "label": [1.0, None, 2.0]}), tmp_path / "faces.parquet")
    with pytest.raises(AuditError, match="the column label holds double, not text or whole numbers: convert it, or rename it"):
        write_listing(open_source(str(tmp_path / "faces.parquet")), None, 8, tmp_path / "listing")
