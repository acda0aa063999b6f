"""Explaining a folder of pictures: resumable, and no picture stops the others.

Every picture ``sub/photo.jpg`` of the source gives ``sub/photo.jpg.json`` (the picture's ``sha256``, then the API's answer) and
``sub/photo.jpg.npz`` (its maps, see :mod:`app.drawing.saved_maps`) in the destination; ``index.csv`` lists all pictures, those that
failed with their error code. What stands there under such a name and was not written here is never touched.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.errors import ErrorCode, Problem
from model.errors import FileError, InputError, file_errors, make_folder, one_line
from model.expressions import EXPRESSIONS, MINOR_CLASSES
from model.files.atomic_write import replace_file
from model.files.picture_names import is_picture_name

INDEX_FILE = "index.csv"
OPTIONS_FILE = "options.json"
UNREADABLE = "unreadable_file"
NAME_TAKEN = "name_taken"
ELSEWHERE = "is there and none of this command's: choose another folder for the answers"
LONGEST_NAME = 255 - len(".partial")  # bytes of an answer's name
UNFINISHED = b'{"sha256":""}'  # stands in an answer's place until both its files are new
ANSWER = re.compile(rb'\{"sha256":"([0-9a-f]{64}",|"\})')  # how every answer begins, and what stands in its place
COLUMNS = (
    *("file", "status", "detail", "warnings", "faces_found", "face", "source", "score", "x", "y", "width", "height"),
    *("model", "checkpoint", "predicted"),
    *(f"probability_{name}" for name in EXPRESSIONS),
    *(f"flip_consistency_{name}" for name in EXPRESSIONS),
    *(f"{value}_{name}" for name in MINOR_CLASSES for value in ("place", "evidence", "mirror_agrees")),
)

Row = dict[str, Any]


class OtherOptionsError(InputError):
    """The destination holds answers that were made with other options, or may have been."""


@dataclass(frozen=True)
class PictureFiles:
    """What is kept of a picture: the API's JSON, an object, and the NPZ of its maps."""

    document: bytes
    maps: bytes


@dataclass
class FolderOutcome:
    """What became of the pictures: files written now, files found finished, and (file, code, detail) of those that failed."""

    explained: int
    finished_before: int
    failures: list[tuple[str, str, str]]


def pictures_in(source: Path, destination: Path) -> list[Path]:
    """The picture files of a folder and its subfolders (symbolic links to folders and hidden folders aside), without the destination's."""
    found = []
    for folder, subfolders, files in os.walk(source):
        here = Path(folder)
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and (here / name).resolve() != destination.resolve()]
        found += [here / name for name in files if is_picture_name(name)]
    return sorted(path for path in found if path.is_file())  # a pipe would never end


def explain_folder(
    source: Path,
    destination: Path,
    options: dict[str, Any],
    explain: Callable[[str, bytes], PictureFiles],
    max_bytes: int,
    progress: Callable[[Iterable[Path]], Iterable[Path]] = iter,
) -> FolderOutcome:
    """Explain every picture of a folder whose bytes have no answer yet; write the index, also when interrupted.

    Args:
        source: folder of pictures.
        destination: folder for the answers; made if missing.
        options: what the answers depend on; JSON-able. Kept beside them, so that answers of different models cannot be mixed.
        explain: from a file's name and bytes to its answer; raises :class:`app.errors.Problem` for a picture that cannot be used.
        max_bytes: larger files are not read.
        progress: wraps the sequence of files, for a progress bar.

    Raises:
        InputError: the folder has no pictures.
        OtherOptionsError: the destination was begun with other options, or nobody knows with which.
        FileError: the destination cannot be written, or holds an index that is no such one.
        ModuleNotFoundError: a package that the options need is not installed.
    """
    pictures = pictures_in(source, destination)
    if not pictures:
        raise InputError(f"{source}: no pictures in this folder")
    make_folder(destination)
    kept = destination / OPTIONS_FILE
    _check_destination(destination, kept, options)
    outcome = FolderOutcome(0, 0, [])
    finished = {picture for picture in pictures if _is_finished(picture, _answer_path(picture, source, destination))}
    if finished and not kept.exists():
        reason = f"holds answers without {kept.name}, which says what made them"
        raise OtherOptionsError(f"{destination} {reason}: restore it or choose another folder")
    outcome.finished_before = len(finished)
    failed: dict[Path, Problem | OSError] = {}
    try:
        for picture in progress([picture for picture in pictures if picture not in finished]):
            try:
                _check_name(_answer_path(picture, source, destination))
                answer = _explained(picture, max_bytes, explain)
            except (Problem, OSError) as error:
                failed[picture] = error
            else:
                if not kept.exists():  # with the first answer: options under which nothing could be explained bind nobody
                    replace_file(kept, _options_text(options))
                _write_answer(answer, _answer_path(picture, source, destination))
                finished.add(picture)
                outcome.explained += 1
    finally:
        _write_index(pictures, source, destination, finished, failed)
    outcome.failures = [(os.fspath(picture.relative_to(source)), *_reason(error)) for picture, error in failed.items()]
    return outcome


def _explained(picture: Path, max_bytes: int, explain: Callable[[str, bytes], PictureFiles]) -> PictureFiles:
    if picture.stat().st_size > max_bytes:
        raise Problem(ErrorCode.BODY_TOO_LARGE, f"The file has more than {max_bytes} bytes.")
    data = picture.read_bytes()
    try:
        answer = explain(picture.name, data)
        return replace(answer, document=_digest_entry(hashlib.sha256(data).hexdigest()) + answer.document.removeprefix(b"{"))
    except (Problem, ModuleNotFoundError):  # a package that one picture lacks, all lack
        raise
    except Exception as error:  # whatever is wrong with one picture, the others must be explained
        raise Problem(ErrorCode.INTERNAL_ERROR, f"{type(error).__name__}: {one_line(error)}") from error


def _reason(error: Problem | OSError) -> tuple[str, str]:
    """Code and sentence of a failure."""
    if isinstance(error, Problem):
        return str(error.code), error.detail
    return NAME_TAKEN if isinstance(error, FileExistsError) else UNREADABLE, error.strerror or type(error).__name__


def _options_text(options: dict[str, Any]) -> bytes:
    return f"{json.dumps(options, indent=1, sort_keys=True)}\n".encode()


@file_errors()
def _check_destination(destination: Path, kept: Path, options: dict[str, Any]) -> None:
    index = destination / INDEX_FILE
    if kept.exists() and kept.read_bytes() != _options_text(options):
        raise OtherOptionsError(f"{destination} holds answers made with other options or models ({kept.name}): choose another folder")
    if index.exists() and not _begins_with(index, _index_text([])):
        raise FileError(f"{index}: {ELSEWHERE}")


def _begins_with(path: Path, wanted: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(wanted)) == wanted


def _check_name(answer: Path) -> None:
    """Whether an answer may have this name.

    Raises:
        OSError: it would be too long, or something else has it.
    """
    if len(os.fsencode(answer.name)) > LONGEST_NAME:
        most = LONGEST_NAME - len(".json")
        raise OSError(errno.ENAMETOOLONG, f"Its answer's name would be too long: give the file one of at most {most} bytes.")
    maps = answer.with_suffix(".npz")
    if answer.is_file():
        with answer.open("rb") as document:
            ours = ANSWER.match(document.read(len(_digest_entry("0" * 64)))) is not None
    else:
        ours = not os.path.lexists(answer) and not os.path.lexists(maps)
    if not ours:
        raise FileExistsError(errno.EEXIST, f"{answer.name} or {maps.name} {ELSEWHERE}.")


def _answer_path(picture: Path, source: Path, destination: Path) -> Path:
    """The JSON file of a picture; its NPZ file differs in the suffix."""
    relative = picture.relative_to(source)
    return destination / relative.with_name(f"{relative.name}.json")


def _digest_entry(sha256: str) -> bytes:
    """The beginning of the JSON of the picture with this hash."""
    return f'{{"sha256":"{sha256}",'.encode()


def _is_finished(picture: Path, answer: Path) -> bool:
    """Whether both files are there, of the very bytes of the picture; the JSON is written last."""
    try:
        if not (answer.is_file() and answer.with_suffix(".npz").is_file()):
            return False
        with picture.open("rb") as data:
            return _begins_with(answer, _digest_entry(hashlib.file_digest(data, "sha256").hexdigest()))
    except OSError:
        return False


def _write_answer(answer: PictureFiles, path: Path) -> None:
    make_folder(path.parent)
    replace_file(path, UNFINISHED)
    replace_file(path.with_suffix(".npz"), answer.maps)
    replace_file(path, answer.document)


def _write_index(
    pictures: list[Path], source: Path, destination: Path, finished: AbstractSet[Path], failed: dict[Path, Problem | OSError]
) -> None:
    rows: list[Row] = []
    for picture in pictures:
        name = os.fspath(picture.relative_to(source))
        if picture in failed:
            code, detail = _reason(failed[picture])
            rows.append({"file": name, "status": code, "detail": detail})
        elif picture in finished:
            document = json.loads(_answer_path(picture, source, destination).read_bytes())
            rows += [{"file": name, "status": "ok"} | row for row in _rows(document)]
        else:
            rows.append({"file": name, "status": "not_done"})
    replace_file(destination / INDEX_FILE, _index_text(rows))


def _index_text(rows: Iterable[Row]) -> bytes:
    """The index of these rows; of none, what every index begins with."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode("utf-8", "surrogateescape")


def _rows(document: dict[str, Any]) -> Iterator[Row]:
    """One row for every face and model of an answer."""
    shared = {"warnings": " ".join(document["warnings"]), "faces_found": document["faces_found"]}
    for number, face in enumerate(document["faces"]):
        place = dict(zip(("x", "y", "width", "height"), face["crop"], strict=True))
        of_face = shared | {"face": number, "source": face["source"], "score": face["score"]} | place
        for model, explanation in face["explanations"].items():
            yield of_face | {"model": model} | _of_explanation(explanation)


def _of_explanation(explanation: dict[str, Any]) -> Row:
    row = {"checkpoint": explanation["checkpoint"], "predicted": explanation["predicted"]}
    for name, probability in zip(explanation["classes"], explanation["probabilities"]["original"], strict=True):
        row[f"probability_{name}"] = probability
    for name, values in explanation["consistency"].items():
        row[f"flip_consistency_{name}"] = values["pearson"]
    for cue in explanation["cues"]:
        row |= {f"{value}_{cue['class']}": cue[value] for value in ("place", "evidence", "mirror_agrees")}
    return {column: value for column, value in row.items() if column in COLUMNS and value is not None}
