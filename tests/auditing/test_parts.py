"""The rows of an audit, written and read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from model.auditing.manifest import (
    AuditedModel,
    AuditError,
    AuditManifest,
    AuditSettings,
    ListedPictures,
    claim_folder,
    load_audit_manifest,
)
from model.auditing.parts import Audit, column_name, numbers, part_path, part_schema

CELLS, CHANNELS, CLASSES = 3, 4, 7
MODEL = AuditedModel(name="ours", checkpoint="mek_sf", sha256="0" * 64, minor_classes=("fear", "disgust"), channels=CHANNELS, cells=CELLS)


def make_manifest(pictures: int = 5, shard_rows: int = 2, models: tuple[AuditedModel, ...] = (MODEL,)) -> AuditManifest:
    return AuditManifest(
        source="faces.zip",
        labels=None,
        models=models,
        settings=AuditSettings(crop="whole", shard_rows=shard_rows),
        listing=ListedPictures(pictures=pictures, sha256="1" * 64),
        revision="abc",
        versions={"torch": "2"},
    )


def made_part(ids: list[str]) -> pa.Table:
    """Rows of which the second has an error."""
    schema = part_schema([MODEL])
    rows = []
    for number, name in enumerate(ids):
        row: dict[str, object] = {field.name: None for field in schema} | {"id": name}
        if number != 1:
            row |= {column_name("ours", "probabilities"): [number + index / 10 for index in range(CLASSES)]}
            row |= {column_name("ours", "flip_consistency"): [0.5, None, *[0.25] * 5]}
            row |= {column_name("ours", "maps"): np.arange(2 * CLASSES * CELLS * CELLS, dtype=np.float16) + np.float16(number)}
        rows.append(row)
    return pa.Table.from_pylist(rows, schema)


def test_an_audit_is_read_as_far_as_it_has_come(tmp_path: Path) -> None:
    claim_folder(tmp_path, make_manifest())
    pq.write_table(made_part(["a", "b"]), part_path(tmp_path, 0))
    pq.write_table(made_part(["e"]), part_path(tmp_path, 2))
    audit = Audit(tmp_path)
    assert (audit.manifest.parts, audit.missing) == (3, 1)
    table = audit.table(["id", "ours_probabilities", "ours_maps", "ours_flip_consistency"])
    assert table.column("id").to_pylist() == ["a", "b", "e"]
    expected = np.arange(CLASSES, dtype=np.float32) / np.float32(10)
    assert_array_equal(numbers(table, "ours_probabilities"), np.stack([expected, np.full(CLASSES, np.nan), expected]))
    maps = numbers(table, "ours_maps")
    assert maps.shape == (3, 2, CLASSES, CELLS, CELLS)
    assert maps.dtype == np.float16
    assert_array_equal(maps[2].ravel(), np.arange(2 * CLASSES * CELLS * CELLS))
    assert np.isnan(maps[1]).all()
    undefined = np.isnan(numbers(table, "ours_flip_consistency"))
    assert undefined[0].tolist() == undefined[2].tolist() == [False, True, *[False] * 5]
    assert undefined[1].all()


def test_an_audit_without_parts_has_no_rows(tmp_path: Path) -> None:
    claim_folder(tmp_path, make_manifest())
    assert numbers(Audit(tmp_path).table(["ours_minor_scores"]), "ours_minor_scores").shape == (0, 2)


def test_a_part_of_another_audit_is_refused(tmp_path: Path) -> None:
    claim_folder(tmp_path, make_manifest())
    pq.write_table(pa.table({"id": ["a"]}), part_path(tmp_path, 0))
    with pytest.raises(AuditError, match=r"part-000000\.parquet has other columns"):
        Audit(tmp_path).table(["id"])


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    claim_folder(tmp_path, make_manifest())
    part_path(tmp_path, 1).write_bytes(b"PAR1")
    with pytest.raises(AuditError, match=r"part-000001\.parquet: cannot be read"):
        Audit(tmp_path).table(["id"])


def test_a_folder_without_an_audit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"manifest\.json: cannot be read .*; give the folder that unturned audit --out wrote"):
        Audit(tmp_path)


def test_parts_of_which_nothing_says_what_they_are_of_are_not_taken_for_this_audit_s(tmp_path: Path) -> None:
    pq.write_table(made_part(["a", "b"]), part_path(tmp_path, 0))
    with pytest.raises(AuditError, match=r"has part-000000\.parquet, but no manifest\.json that says of what: choose another --out"):
        claim_folder(tmp_path, make_manifest())
    assert [path.name for path in tmp_path.iterdir()] == ["part-000000.parquet"]


def test_an_audit_goes_on_only_as_it_was_begun(tmp_path: Path) -> None:
    claim_folder(tmp_path, make_manifest())
    claim_folder(tmp_path, make_manifest())
    other = MODEL.model_copy(update={"sha256": "f" * 64})
    with pytest.raises(AuditError, match=r"another models\.0\.sha256: 0{64} then, f{64} now; choose another --out"):
        claim_folder(tmp_path, make_manifest(models=(other,)))
    with pytest.raises(AuditError, match=r"another settings\.shard_rows: 2 then, 4 now"):
        claim_folder(tmp_path, make_manifest(shard_rows=4))
    assert load_audit_manifest(tmp_path) == make_manifest()
