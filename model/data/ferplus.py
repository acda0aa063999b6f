"""FERPlus: 48x48 grey faces with ten annotators' votes each (Barsoum et al. 2016, on the faces of FER2013).

Two forms are read: the folder form (``FER2013Train``, ``FER2013Valid``, ``FER2013Test`` with PNG files and ``fer2013new.csv``; a folder
or a zip of it), and the original pair of files, Kaggle's ``fer2013.csv`` (pixels) and Microsoft's ``fer2013new.csv`` (votes), in one
folder.
"""

from __future__ import annotations

import csv
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from model.data.faces import DROPPED, DatasetError, FaceSet
from model.expressions import EXPRESSIONS
from model.files.regular_file import read_regular_file
from model.geometry import FACE_SIZE

if TYPE_CHECKING:
    from torch import Tensor

VOTE_COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
VOTES_FILE = "fer2013new.csv"
PIXELS_FILE = "fer2013.csv"
# usage in the csv files, folder in the picture form, by the name of the split
SPLITS = {"train": ("Training", "FER2013Train"), "valid": ("PublicTest", "FER2013Valid"), "test": ("PrivateTest", "FER2013Test")}
# labelled faces of each expression: in training as the paper's Table 5 has them, the others from Microsoft's file by the same rule
PUBLISHED_COUNTS = {
    "train": (8740, 7287, 3149, 3014, 2100, 532, 119),
    "valid": (1182, 865, 415, 351, 287, 62, 24),
    "test": (1090, 893, 396, 384, 273, 83, 18),
}
ANNOTATORS = 10
MOST_ODD_ROWS = 0.01  # share of the rows; the published table has 5 of 35,887
LARGEST_TABLE, LARGEST_PICTURE = 64 << 20, 64 << 10  # bytes
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, UnicodeDecodeError, OSError)
_USAGES = tuple(usage for usage, _ in SPLITS.values())
_PICTURE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\.png")

HOW_TO_GET = (
    f"give --data a folder or zip with {VOTES_FILE} and FER2013Train/, FER2013Valid/, FER2013Test/, "
    f"or a folder with Kaggle's {PIXELS_FILE} and Microsoft's {VOTES_FILE}"
)


def majority_labels(votes: Tensor) -> Tensor:
    """FERPlus's majority rule: drop single votes, then keep a face whose largest count is more than half of what remains.

    Args:
        votes: ``(N, 10)`` counts in the order of :data:`VOTE_COLUMNS`.

    Returns:
        ``(N,)`` int64 indices into ``EXPRESSIONS``; -1 where no class has a majority or the majority is not one of the seven.
    """
    kept = votes * (votes > 1)
    largest, column = kept.max(dim=1)
    to_expression = votes.new_tensor([EXPRESSIONS.index(name) if name in EXPRESSIONS else DROPPED for name in VOTE_COLUMNS])
    return to_expression[column].masked_fill(2 * largest <= kept.sum(dim=1), DROPPED)


def load_ferplus(path: Path, split: str) -> FaceSet:
    """Every face of a split that has a picture, labelled or not (:meth:`FaceSet.labelled` drops the others).

    Args:
        path: a zip, or a folder in either form, or a folder that holds ``ferplus.zip``.
        split: train, valid or test.

    Raises:
        DatasetError: nothing readable there; the message says which files are expected.
    """
    usage, folder = SPLITS[split]
    if (path / "ferplus.zip").is_file():
        path = path / "ferplus.zip"
    if path.is_file():
        return _read_zip(path, usage, folder)
    if (path / PIXELS_FILE).is_file():
        return _read_pixels(path, usage)
    if (path / folder).is_dir():
        return _read_pictures(lambda name: read_regular_file(path / name), usage, folder)
    raise DatasetError(f"{path}: no FERPlus here; {HOW_TO_GET}")


def ferplus_labels(path: Path) -> dict[str, tuple[str | None, str | None]]:
    """Label (None where the votes have no majority among the seven) and split of every picture, by its path in the archive or folder.

    Args:
        path: a zip or a folder in the form with pictures; these are not read.

    Raises:
        DatasetError: there is no table of votes.
    """
    try:
        if path.is_file():
            with zipfile.ZipFile(path) as archive:
                content = _member(archive, VOTES_FILE)
        else:
            content = read_regular_file(path / VOTES_FILE)
    except (KeyError, *_ZIP_ERRORS) as error:
        raise DatasetError(f"{path}: no {VOTES_FILE} here ({error}); {HOW_TO_GET}") from error
    import torch  # here, since the names in this module are read without it

    rows = [row for row in _vote_rows(content) if row.name]
    if not rows:
        raise DatasetError(f"{path}: {VOTES_FILE} names no picture; {HOW_TO_GET}")
    labels = majority_labels(torch.tensor([row.votes for row in rows], dtype=torch.int64)).tolist()
    places = {usage: (split, folder) for split, (usage, folder) in SPLITS.items()}
    return {
        f"{places[row.usage][1]}/{row.name}": (None if label == DROPPED else EXPRESSIONS[label], places[row.usage][0])
        for row, label in zip(rows, labels, strict=True)
    }


def _read_zip(path: Path, usage: str, folder: str) -> FaceSet:
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_pictures(lambda name: _member(archive, name), usage, folder)
    except _ZIP_ERRORS as error:
        raise DatasetError(f"{path} is damaged, or no zip ({error}): copy or load it again") from error


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of the archive; one that claims to be far larger than FERPlus's is not unpacked."""
    limit = LARGEST_TABLE if name.endswith(".csv") else LARGEST_PICTURE
    if archive.getinfo(name).file_size > limit:
        raise DatasetError(f"{archive.filename}: {name} has more than {limit >> 10} KiB, which is not FERPlus's: load it again")
    return archive.read(name)


@dataclass(frozen=True)
class _VoteRow:
    """``number`` counts from 1 below the header; ``name`` is empty where the row shows no face."""

    number: int
    usage: str
    name: str
    votes: list[int]


def _vote_rows(content: bytes) -> list[_VoteRow]:
    """Every row of the table of votes, of all splits, in its order."""
    try:
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        missing = {"Usage", "Image name", *VOTE_COLUMNS} - set(table.fieldnames or ())
        if missing:
            raise DatasetError(f"{VOTES_FILE} lacks the columns {', '.join(sorted(missing))}")
        rows = [_vote_row(number, row) for number, row in enumerate(table, 1)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{VOTES_FILE} is not a table of votes ({error}): load it again") from error
    _refuse_if_odd(rows)
    return rows


def _vote_row(number: int, row: dict[str, str]) -> _VoteRow:
    where = f"{VOTES_FILE}, row {number} below the header"
    try:
        votes = [int(row[column]) for column in VOTE_COLUMNS]
    except (TypeError, ValueError) as error:  # None where the row ends early
        raise DatasetError(f"{where}: ten counts of votes are expected; load it again") from error
    if not all(0 <= count <= ANNOTATORS for count in votes):
        raise DatasetError(f"{where}: a count of votes is from 0 to {ANNOTATORS}; load it again")
    if row["Usage"] not in _USAGES:
        raise DatasetError(f"{where}: the usage is none of {', '.join(_USAGES)}; load it again")
    name = row["Image name"]
    if name and not _PICTURE_NAME.fullmatch(name):
        raise DatasetError(f"{where}: the name of the picture is not that of a PNG file in its folder; load it again")
    return _VoteRow(number, row["Usage"], name, votes)


def _refuse_if_odd(rows: list[_VoteRow]) -> None:
    """A few rows of the published table do not have ten votes, or a picture that another row has, too; many are another table."""
    named: set[str] = set()
    odd = []
    for row in rows:
        if sum(row.votes) != ANNOTATORS:
            odd.append((row.number, f"the votes add up to {sum(row.votes)}, not {ANNOTATORS}"))
        elif row.name in named:
            odd.append((row.number, "its picture is another row's, too"))
        if row.name:
            named.add(row.name)
    if len(odd) > MOST_ODD_ROWS * len(rows):
        number, reason = odd[0]
        others = f"; so {len(odd)} of {len(rows)} rows are odd, and FERPlus has hardly any: load it again"
        raise DatasetError(f"{VOTES_FILE}, row {number} below the header: {reason}{others}")


def _rows_of(rows: list[_VoteRow], usage: str) -> list[_VoteRow]:
    """The rows of a split that show a face."""
    of_usage = [row for row in rows if row.usage == usage and row.name]
    if not of_usage:
        raise DatasetError(f"{VOTES_FILE} has no row of the usage {usage} that names a picture; {HOW_TO_GET}")
    return of_usage


def _read_pictures(read: Callable[[str], bytes], usage: str, folder: str) -> FaceSet:
    try:
        content = read(VOTES_FILE)
    except (KeyError, OSError) as error:
        raise DatasetError(f"{VOTES_FILE} is missing; {HOW_TO_GET}") from error
    rows = _rows_of(_vote_rows(content), usage)
    pixels = np.empty((len(rows), FACE_SIZE, FACE_SIZE), dtype=np.uint8)
    for index, row in enumerate(rows):
        try:
            data = np.frombuffer(read(f"{folder}/{row.name}"), np.uint8)
        except (KeyError, OSError) as error:
            raise DatasetError(f"{folder}/{row.name} is missing; {HOW_TO_GET}") from error
        picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
        if picture is None or picture.shape != (FACE_SIZE, FACE_SIZE):
            raise DatasetError(f"{folder}/{row.name} is not a {FACE_SIZE}x{FACE_SIZE} picture")
        pixels[index] = picture
    return _face_set(pixels, rows)


def _read_pixels(path: Path, usage: str) -> FaceSet:
    try:
        votes = _vote_rows(read_regular_file(path / VOTES_FILE))
    except OSError as error:
        raise DatasetError(f"{path / VOTES_FILE} is missing; {HOW_TO_GET}") from error
    rows = _rows_of(votes, usage)
    strings = _pixel_strings(path / PIXELS_FILE, [row.usage for row in votes])
    pixels = np.empty((len(rows), FACE_SIZE, FACE_SIZE), dtype=np.uint8)
    for index, row in enumerate(rows):
        try:
            pixels[index] = np.array(strings[row.number - 1].split(), dtype=np.uint8).reshape(FACE_SIZE, FACE_SIZE)
        except (AttributeError, OverflowError, ValueError) as error:  # None where the row ends early
            where = f"{path / PIXELS_FILE}, row {row.number} below the header"
            raise DatasetError(f"{where}: {FACE_SIZE * FACE_SIZE} pixels from 0 to 255 are expected; load it again") from error
    return _face_set(pixels, rows)


def _pixel_strings(path: Path, usages: list[str]) -> list[str]:
    """Kaggle's column of pixels; its rows match those of the votes one by one, and both files say of which split they are."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, skipinitialspace=True)  # one of Kaggle's two editions has "emotion, Usage, pixels"
            for column in ("pixels", "Usage"):
                if column not in (table.fieldnames or ()):
                    raise DatasetError(f"{path} lacks the column {column}; it has {', '.join(table.fieldnames or ['none'])}")
            rows = [(row["pixels"], row["Usage"]) for row in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} is not a table of pixels ({error}): load it again") from error
    if len(rows) != len(usages):
        raise DatasetError(f"{path} has {len(rows)} rows, {VOTES_FILE} {len(usages)}, but they match row by row: load both again")
    for number, ((_, said), usage) in enumerate(zip(rows, usages, strict=True), 1):
        if said != usage:
            where = f"{path}, row {number} below the header"
            raise DatasetError(f"{where}: the usage is not the {usage} of {VOTES_FILE}, so the rows do not match: load both again")
    return [pixels for pixels, _ in rows]


def _face_set(pixels: np.ndarray, rows: list[_VoteRow]) -> FaceSet:
    import torch

    counts = torch.tensor([row.votes for row in rows], dtype=torch.int64)
    return FaceSet(torch.from_numpy(pixels), majority_labels(counts), counts, tuple(row.name for row in rows))
