"""The rows that an audit writes, and when it is refused."""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from app.auditing.auditor import DECODER_STARTS
from app.auditing.job import AskedAudit, begin
from app.decoding.decoder import DecodedImage, Decoder, DecoderStartError
from app.errors import ErrorCode, Problem
from app.settings import Settings
from model.auditing.answers import Columns, model_answers
from model.auditing.listing import LISTING_FILE
from model.auditing.manifest import AuditError
from model.auditing.parts import Audit, numbers
from model.checkpoints import CheckpointError
from model.reference import ReferenceCheckpoint, save_checkpoint
from tests.auditing.made_audit import BAD, CUT, PICTURES, SHARD_ROWS, begun, contents, make_here, write_data_set
from tests.made_checkpoints import make_checkpoint, make_checkpoint_folder, make_metadata, random_classifier


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces") / "faces.zip"
    write_data_set(path)
    return path


@pytest.fixture(scope="module")
def audited(data_set: Path, random_checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audit")
    made = make_here(begun(data_set, out, random_checkpoints))
    assert [(part.number, part.rows) for part in made] == [(number, SHARD_ROWS) for number in range(PICTURES // SHARD_ROWS)]
    assert sum((part.errors for part in made), Counter()) == {"not_an_image": 1, "truncated_image": 1}
    return out


def decoded(png: bytes) -> NDArray[Any]:
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    return pixels


def test_a_bad_picture_is_a_row_with_an_error(data_set: Path, audited: Path) -> None:
    table = Audit(audited).table(["id", "sha256", "error", "face", "width", "ours_probabilities", "crop"])
    with zipfile.ZipFile(data_set) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert table.column("id").to_pylist() == list(files)
    assert table.column("sha256").to_pylist() == [hashlib.sha256(data).hexdigest() for data in files.values()]
    bad = np.isin(np.arange(PICTURES), (BAD, CUT))
    for name in ("face", "width"):
        assert [value is None for value in table.column(name).to_pylist()] == bad.tolist()
    assert [error is not None for error in table.column("error").to_pylist()] == bad.tolist()
    assert table.column("error")[BAD].as_py() == "not_an_image: The file is not a picture."
    probabilities = numbers(table, "ours_probabilities")
    np.testing.assert_array_equal(np.isnan(probabilities).all(1), bad)
    np.testing.assert_allclose(probabilities[~bad].sum(1), 1, atol=1e-5)
    for name, png in zip(files, table.column("face").to_pylist(), strict=True):
        if png is not None:  # the networks saw the very pixels
            np.testing.assert_array_equal(decoded(png), decoded(files[name]))
            assert numbers(table, "crop")[0].tolist() == [0, 0, 48, 48]


def test_a_part_in_which_no_picture_has_a_face_is_made(random_checkpoints: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("a.png", b"")
    make_here(begun(tmp_path / "faces.zip", tmp_path / "out", random_checkpoints))
    (row,) = Audit(tmp_path / "out").table(["error", "baseline_maps"]).to_pylist()
    assert row["error"].startswith("empty_upload") and row["baseline_maps"] is None


def test_faces_are_found_where_that_is_asked(random_checkpoints: Path, astronaut_jpeg: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "astronaut.jpg").write_bytes(astronaut_jpeg)
    (folder / "grey.png").write_bytes(cv2.imencode(".png", np.full((200, 200), 90, np.uint8))[1].tobytes())
    (folder / "small.png").write_bytes(cv2.imencode(".png", np.full((48, 48), 90, np.uint8))[1].tobytes())
    make_here(begun(folder, tmp_path / "out", random_checkpoints, crop="detect"))
    astronaut, grey, small = Audit(tmp_path / "out").table(["error", "faces_found", "detection_score", "crop", "width"]).to_pylist()
    assert (astronaut["faces_found"], astronaut["width"], astronaut["error"]) == (1, 512, None)
    assert astronaut["detection_score"] > 0.9 and astronaut["crop"] != [0, 0, 512, 512]
    assert grey["error"].startswith("no_face: ") and grey["faces_found"] is None
    assert (small["faces_found"], small["detection_score"], small["crop"]) == (0, None, [0, 0, 48, 48])


def test_an_answer_that_is_no_number_is_an_error(
    data_set: Path, random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(checkpoint: ReferenceCheckpoint, faces: torch.Tensor) -> Columns:
        answers = model_answers(checkpoint, faces)
        answers["mirror_probabilities"] = answers["mirror_probabilities"].copy()
        answers["mirror_probabilities"][0, 2] = np.nan
        return answers

    monkeypatch.setattr("app.auditing.auditor.model_answers", spoilt)
    make_here(begun(data_set, tmp_path, random_checkpoints), [0])
    first, second = Audit(tmp_path).table(["error", "face", "ours_probabilities"]).to_pylist()
    assert first["error"].startswith("non_finite_output") and first["face"] is None and first["ours_probabilities"] is None
    assert second["error"] is None and second["ours_probabilities"] is not None


def test_an_audit_that_was_stopped_goes_on(data_set: Path, audited: Path, random_checkpoints: Path, tmp_path: Path) -> None:
    audit = begun(data_set, tmp_path, random_checkpoints)
    make_here(audit, [1, 4])
    (tmp_path / "part-000003.parquet.0123.partial").write_bytes(b"of a process that was killed")
    (tmp_path / "film.partial").write_bytes(b"a download of the user's")
    again = begun(data_set, tmp_path, random_checkpoints)
    assert (again.missing, again.finished_before) == ((0, 2, 3, 5), 2 * SHARD_ROWS)
    make_here(again)
    assert contents(tmp_path) == contents(audited) | {"film.partial": b"a download of the user's"}


def test_a_picture_whose_decoder_died_is_decoded_again(
    data_set: Path, audited: Path, random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, asked = Decoder.decode, Counter[bytes]()

    async def dies_first(decoder: Decoder, data: bytes) -> DecodedImage:
        asked[data] += 1
        if asked[data] == 1:
            raise Problem(ErrorCode.DECODER_FAILED)
        return await decode(decoder, data)

    monkeypatch.setattr(Decoder, "decode", dies_first)
    make_here(begun(data_set, tmp_path, random_checkpoints))
    assert set(asked.values()) == {2}
    assert contents(tmp_path) == contents(audited)


def test_a_decoder_that_comes_up_late_is_started_again_and_one_that_never_does_is_told_in_a_line(
    data_set: Path, random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, starts = Decoder.start, Counter[str]()

    async def starts_late(decoder: Decoder) -> None:
        starts["tried"] += 1
        if starts["tried"] < starts["in vain"]:
            raise DecoderStartError("the picture decoder does not start")
        await start(decoder)

    monkeypatch.setattr(Decoder, "start", starts_late)
    starts["in vain"] = DECODER_STARTS
    audit = begun(data_set, tmp_path, random_checkpoints)
    assert [made.number for made in make_here(audit, [0])] == [0]
    starts["in vain"] = 100
    with pytest.raises(AuditError, match=r"^the picture decoder does not start$"):
        make_here(audit, [1])
    assert starts["tried"] == 2 * DECODER_STARTS


@pytest.mark.parametrize(
    ("asked", "difference"),
    [
        ({"models": ("ours", "baseline")}, r"models\.0\.name: baseline then, ours now"),
        ({"crop": "detect"}, r"settings\.crop: whole then, detect now"),
        ({"shard_rows": 5}, r"settings\.shard_rows: 2 then, 5 now"),
    ],
)
def test_another_audit_is_not_mixed_in(
    asked: dict[str, object], difference: str, data_set: Path, audited: Path, random_checkpoints: Path
) -> None:
    before = contents(audited)
    with pytest.raises(AuditError, match=difference):
        begun(data_set, audited, random_checkpoints, **asked)
    assert contents(audited) == before


def test_another_picture_is_told(audited: Path, random_checkpoints: Path, data_set: Path) -> None:
    whole, before = data_set.read_bytes(), contents(audited)
    write_data_set(data_set, PICTURES + 1)
    try:
        with pytest.raises(AuditError, match=r"another listing\.pictures: 12 then, 13 now"):
            begun(data_set, audited, random_checkpoints)
    finally:
        data_set.write_bytes(whole)
    assert contents(audited) == before
    assert LISTING_FILE in before


def test_labels_of_another_data_set_are_refused(data_set: Path, random_checkpoints: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\nelse.png,fear\n")
    with pytest.raises(AuditError, match=r"none of its ids is one of the 12 pictures of .*: it has else\.png, the source 000\.png$"):
        begun(data_set, tmp_path, random_checkpoints, labels=labels)
    labels.write_text("id,label\n001.png,fear\n")
    assert begun(data_set, tmp_path / "labelled", random_checkpoints, labels=labels).labelled == 1
    labels.write_text("id,label,split\n001.png,,train\n")
    audit = begun(data_set, tmp_path / "blank", random_checkpoints, labels=labels)  # its ids are those of this data set
    assert (audit.labelled, audit.strangers) == (0, 0)


def test_an_unknown_model_is_refused(data_set: Path, random_checkpoints: Path, tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"no model theirs; there are baseline, mek_sf, ours"):
        begun(data_set, tmp_path, random_checkpoints, models=("theirs",))


def test_a_model_of_colour_is_refused(data_set: Path, random_checkpoints: Path, tmp_path: Path) -> None:
    path = tmp_path / "coloured.safetensors"
    save_checkpoint(path, random_classifier(1), make_metadata("coloured").model_copy(update={"colour": "rgb"}))
    asked = AskedAudit(str(data_set), None, ("coloured",), tmp_path, SHARD_ROWS, "whole")
    with pytest.raises(AuditError, match="coloured was trained on colour"):
        begin(asked, Settings(checkpoint_dir=random_checkpoints, extra_checkpoints=(path,)))


def test_an_imported_model_is_refused_for_what_it_is(data_set: Path, random_checkpoints: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").touch()
    asked = AskedAudit(str(data_set), None, ("mine",), tmp_path / "out", SHARD_ROWS, "whole")
    with pytest.raises(AuditError, match="mine is imported; an audit keeps grey faces"):
        begin(asked, Settings(checkpoint_dir=random_checkpoints, models=tmp_path))


def test_a_checkpoint_that_changed_since_is_refused(data_set: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    make_checkpoint_folder(tmp_path / "checkpoints")
    audit = begun(data_set, tmp_path / "out", tmp_path / "checkpoints", models=("baseline",))
    with (tmp_path / "checkpoints" / "baseline.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(CheckpointError, match="sha256"):
        make_here(audit)


def test_a_checkpoint_of_the_user_s_that_changed_since_is_refused(data_set: Path, random_checkpoints: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "mine.safetensors", tmp_path / "out"
    out.mkdir()
    make_checkpoint(path, seed=1)
    asked = AskedAudit(str(data_set), None, ("mine",), out, SHARD_ROWS, "whole")
    audit = begin(asked, Settings(checkpoint_dir=random_checkpoints, extra_checkpoints=(path,)))
    make_checkpoint(path, seed=2)
    with pytest.raises(AuditError, match=r"mine is [0-9a-f]{64} here, and the audit was begun with [0-9a-f]{64}"):
        make_here(audit)


def test_a_machine_with_another_package_takes_no_part(
    data_set: Path, random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = begun(data_set, tmp_path, random_checkpoints)
    monkeypatch.setattr("app.auditing.job.version", lambda name: "1.0")
    with pytest.raises(AuditError, match=r"numpy is 1\.0 here, and the audit was begun with [\d.]+: install or copy that"):
        make_here(audit)
