"""Explaining a folder: every picture is accounted for, and a second run does only what is missing."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.commands.batch import FolderOutcome, OtherOptionsError, PictureFiles, explain_folder
from app.errors import ErrorCode, Problem
from model.errors import FileError
from model.expressions import EXPRESSIONS

OPTIONS = {"models": {"baseline": "abc"}}


def document(predicted: str) -> dict[str, Any]:
    explanation = {
        "checkpoint": "baseline",
        "classes": list(EXPRESSIONS),
        "predicted": predicted,
        "probabilities": {"original": [0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], "flipped": [0.0] * 7},
        "consistency": {name: {"pearson": None if name == "anger" else 0.5} for name in EXPRESSIONS},
        "cues": [{"class": "fear", "place": "mouth", "evidence": 1.25, "mirror_agrees": True}],
    }
    face = {"crop": [1, 2, 3, 4], "source": "detected", "score": 0.9, "explanations": {"baseline": explanation, "ours": explanation}}
    return {"warnings": ["low_resolution_face"], "faces_found": 1, "faces": [face]}


class Explainer:
    """Answers by the first bytes of a file and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, name: str, data: bytes) -> PictureFiles:
        self.asked.append(data)
        if data.startswith(b"bad"):
            raise Problem(ErrorCode.NO_FACE)
        if data.startswith(b"bug"):
            raise ZeroDivisionError("by\nnought")
        if data.startswith(b"stop"):
            raise KeyboardInterrupt
        return PictureFiles(json.dumps(document(data.decode())).encode(), b"maps of " + data)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name, content in {
        "a.jpg": "fear",
        "b.PNG": "bad",
        "sub/c.webp": "anger",
        "notes.txt": "x",
        ".d.jpg": "x",
        ".hidden/e.jpg": "x",
    }.items():
        (folder / name).write_text(content)
    return folder


def run(source: Path, explainer: Explainer, options: dict[str, Any] | None = None, **more: Any) -> FolderOutcome:
    return explain_folder(source, source.parent / "out", options or OPTIONS, explainer, max_bytes=100, **more)


def index(source: Path) -> list[dict[str, str]]:
    with (source.parent / "out" / "index.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def test_a_name_too_long_for_an_answer_does_not_stop_the_others(source: Path) -> None:
    longest, longer = "a" * 238 + ".jpg", "a" * 239 + ".jpg"
    for name in (longest, longer):
        (source / name).write_text("fear")
    outcome = run(source, Explainer())
    assert outcome.explained == 3
    assert [failure[:2] for failure in outcome.failures] == [(longer, "unreadable_file"), ("b.PNG", "no_face")]
    assert "give the file one of at most 242 bytes" in outcome.failures[0][2]


def test_every_picture_gets_its_files_and_its_rows(source: Path) -> None:
    outcome = run(source, Explainer())
    assert (outcome.explained, outcome.finished_before) == (2, 0)
    assert [failure[:2] for failure in outcome.failures] == [("b.PNG", "no_face")]
    out = source.parent / "out"
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == {
        *("index.csv", "options.json", "a.jpg.json", "a.jpg.npz", "sub/c.webp.json", "sub/c.webp.npz")
    }
    assert (out / "sub/c.webp.npz").read_bytes() == b"maps of anger"
    rows = index(source)
    assert [(row["file"], row["status"], row["model"]) for row in rows] == [
        ("a.jpg", "ok", "baseline"),
        ("a.jpg", "ok", "ours"),
        ("b.PNG", "no_face", ""),
        ("sub/c.webp", "ok", "baseline"),
        ("sub/c.webp", "ok", "ours"),
    ]
    first = rows[0]
    assert (first["predicted"], first["probability_neutral"], first["x"], first["height"]) == ("fear", "0.4", "1", "4")
    assert (first["flip_consistency_fear"], first["flip_consistency_anger"]) == ("0.5", "")
    assert (first["place_fear"], first["evidence_fear"], first["mirror_agrees_fear"]) == ("mouth", "1.25", "True")
    assert first["warnings"] == "low_resolution_face" and rows[2]["detail"]


def test_a_second_run_does_only_what_is_missing_changed_or_failed(source: Path) -> None:
    run(source, Explainer())
    (source / "b.PNG").write_text("disgust")
    again = Explainer()
    outcome = run(source, again)
    assert again.asked == [b"disgust"]
    assert (outcome.explained, outcome.finished_before, outcome.failures) == (1, 2, [])
    assert len(index(source)) == 6
    (source / "a.jpg").write_text("surprise")
    changed = Explainer()
    run(source, changed)
    assert changed.asked == [b"surprise"]
    (source.parent / "out/sub/c.webp.npz").unlink()
    missing = Explainer()
    run(source, missing)
    assert b"anger" in missing.asked


def test_a_picture_replaced_by_an_older_file_is_explained_anew_and_one_only_touched_is_not(source: Path) -> None:
    run(source, Explainer())
    (source / "a.jpg").write_text("surprise")
    os.utime(source / "a.jpg", ns=(1, 1))
    os.utime(source / "sub/c.webp", ns=(time.time_ns() + 10**9,) * 2)
    again = Explainer()
    run(source, again)
    assert again.asked == [b"surprise", b"bad"]
    answer = json.loads((source.parent / "out/a.jpg.json").read_bytes())
    assert answer == {"sha256": hashlib.sha256(b"surprise").hexdigest()} | document("surprise")


def test_an_unexpected_failure_stops_nothing_and_is_listed_on_one_line(source: Path) -> None:
    (source / "a.jpg").write_text("bug")
    outcome = run(source, Explainer())
    assert outcome.explained == 1
    assert outcome.failures[0] == ("a.jpg", "internal_error", "ZeroDivisionError: by nought")


def test_a_package_that_is_missing_ends_the_run_instead_of_failing_every_picture(source: Path) -> None:
    def explain(name: str, data: bytes) -> PictureFiles:
        raise ModuleNotFoundError(name="pytorch_grad_cam")

    with pytest.raises(ModuleNotFoundError):
        explain_folder(source, source.parent / "out", OPTIONS, explain, max_bytes=100)
    assert [row["status"] for row in index(source)] == ["not_done"] * 3


def test_an_interrupted_run_keeps_what_is_done_and_goes_on(source: Path) -> None:
    (source / "b.PNG").write_text("stop")
    with pytest.raises(KeyboardInterrupt):
        run(source, Explainer())
    assert [row["status"] for row in index(source)] == ["ok", "ok", "not_done", "not_done"]
    (source / "b.PNG").write_text("neutral")
    on = Explainer()
    assert run(source, on).finished_before == 1
    assert on.asked == [b"neutral", b"anger"]


def test_an_answer_older_than_its_picture_is_not_listed(source: Path) -> None:
    run(source, Explainer())
    (source / "a.jpg").write_text("stop")
    with pytest.raises(KeyboardInterrupt):
        run(source, Explainer())
    assert index(source)[0] == {**dict.fromkeys(index(source)[0], ""), "file": "a.jpg", "status": "not_done"}


def test_options_under_which_nothing_was_explained_bind_nobody(source: Path) -> None:
    for path in ("a.jpg", "b.PNG", "sub/c.webp"):
        (source / path).write_text("bad")
    assert run(source, Explainer()).explained == 0
    (source / "a.jpg").write_text("fear")
    assert run(source, Explainer(), {"models": {"baseline": "def"}}).explained == 1


def test_a_changed_picture_whose_new_answer_was_half_written_is_done_again(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(source, Explainer())
    (source / "a.jpg").write_text("surprise")
    write = Path.write_bytes

    def full_disk(path: Path, data: bytes) -> int:
        if path.name == "a.jpg.json.partial" and b"faces" in data:
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(FileError, match="No space"):
        run(source, Explainer())
    monkeypatch.undo()
    (source / "a.jpg").write_text("fear")
    again = Explainer()
    run(source, again)
    assert b"fear" in again.asked


def test_answers_of_other_options_are_not_mixed(source: Path) -> None:
    run(source, Explainer())
    with pytest.raises(OtherOptionsError, match="other options or models"):
        run(source, Explainer(), {"models": {"baseline": "def"}})


def test_answers_of_options_that_nobody_knows_are_not_mixed_with_others(source: Path) -> None:
    run(source, Explainer())
    kept = source.parent / "out" / "options.json"
    said = kept.read_bytes()
    kept.unlink()
    (source / "b.PNG").write_text("disgust")
    with pytest.raises(OtherOptionsError, match=r"answers without options\.json, .*: restore it or choose another folder"):
        run(source, Explainer(), {"models": {"baseline": "def"}})
    assert not kept.exists() and len(index(source)) == 5
    kept.write_bytes(said)
    assert run(source, Explainer()).explained == 1


def test_a_file_too_large_or_gone_or_a_pipe_is_no_obstacle(source: Path) -> None:
    (source / "a.jpg").write_bytes(bytes(101))
    os.mkfifo(source / "pipe.jpg")
    (source / "link.jpg").symlink_to("nowhere")

    def vanishing(pictures: Iterable[Path]) -> Iterator[Path]:
        for picture in pictures:
            if picture.name == "b.PNG":
                picture.unlink()
            yield picture

    outcome = run(source, Explainer(), progress=vanishing)
    assert outcome.explained == 1
    assert [failure[:2] for failure in outcome.failures] == [("a.jpg", "body_too_large"), ("b.PNG", "unreadable_file")]


def test_strange_names_come_back_from_the_index(source: Path) -> None:
    name = b'l\xe9\n,"x".jpg'
    Path(os.fsdecode(os.fsencode(source) + b"/" + name)).write_text("fear")
    run(source, Explainer())
    assert name in [os.fsencode(row["file"]) for row in index(source)]
    assert io.BytesIO((source.parent / "out" / "index.csv").read_bytes()).read().count(name.replace(b'"', b'""')) == 2


def test_a_destination_inside_the_source_is_not_read(source: Path) -> None:
    destination = source / "answers"
    explain_folder(source, destination, OPTIONS, Explainer(), max_bytes=100)
    (destination / "seen.jpg").write_text("fear")
    again = Explainer()
    explain_folder(source, destination, OPTIONS, again, max_bytes=100)
    assert again.asked == [b"bad"]


def test_files_of_the_user_s_in_the_place_of_an_answer_are_kept_and_told(source: Path) -> None:
    """An export of Google Photos has a file `photo.jpg.json` of its own beside every picture."""
    (source / "sub/c.webp.npz").write_bytes(b"features")
    (source / "d.jpg").write_text("neutral")
    (source / "d.jpg.json").mkdir()
    (source / "a.jpg.json").write_text('{"sha256":"of mine"}')
    for explained, finished_before in ((1, 0), (0, 1)):
        (source / "e.jpg").write_text("sadness")
        outcome = explain_folder(source, source, OPTIONS, Explainer(), max_bytes=100)
        assert (outcome.explained, outcome.finished_before) == (explained, finished_before)
        assert [failure[:2] for failure in outcome.failures] == [
            ("a.jpg", "name_taken"),
            ("b.PNG", "no_face"),
            ("d.jpg", "name_taken"),
            ("sub/c.webp", "name_taken"),
        ]
        assert outcome.failures[0][2].startswith("a.jpg.json or a.jpg.npz is there and none of this command's: choose another folder")
    assert (source / "a.jpg.json").read_text() == '{"sha256":"of mine"}'
    assert (source / "sub/c.webp.npz").read_bytes() == b"features" and not (source / "sub/c.webp.json").exists()


def test_an_index_of_the_user_s_is_not_replaced(source: Path) -> None:
    (source / "index.csv").write_text("file,photographer\n")
    with pytest.raises(FileError, match=r"index\.csv: is there and none of this command's: choose another folder"):
        explain_folder(source, source, OPTIONS, Explainer(), max_bytes=100)
    assert (source / "index.csv").read_text() == "file,photographer\n"


@pytest.mark.parametrize("name", ["options.json", "index.csv"])
def test_a_folder_in_the_place_of_a_file_is_told_in_one_line(source: Path, name: str) -> None:
    (source / name).mkdir()
    with pytest.raises(FileError, match=rf"{name}: Is a directory"):
        explain_folder(source, source, OPTIONS, Explainer(), max_bytes=100)
