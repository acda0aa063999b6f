"""FERPlus: 48x48 grey faces with ten annotators' votes each (Barsoum et al. 2016, on the faces of FER2013).

Two forms are read: the folder form (``FER2013Train``, ``FER2013Valid``, ``FER2013Test`` with PNG files and ``fer2013new.csv``; a folder
or a zip of it), and the original pair of files, Kaggle's ``fer2013.csv`` (pixels) and Microsoft's ``fer2013new.csv`` (votes), in one
folder.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.preprocessing import FACE_SIZE

VOTE_COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
VOTES_FILE = "fer2013new.csv"
PIXELS_FILE = "fer2013.csv"
# usage in the csv files, folder in the picture form, by the name of the split
SPLITS = {"train": ("Training", "FER2013Train"), "valid": ("PublicTest", "FER2013Valid"), "test": ("PrivateTest", "FER2013Test")}
DROPPED = -1

HOW_TO_GET = (
    f"give --data a folder or zip with {VOTES_FILE} and FER2013Train/, FER2013Valid/, FER2013Test/, "
    f"or a folder with Kaggle's {PIXELS_FILE} and Microsoft's {VOTES_FILE}"
)


class DatasetError(InputError):
    """A dataset is missing or not in a known form; the message says what to do."""


@dataclass(frozen=True)
class FaceSet:
    """Faces of one split: ``images`` (N, 48, 48) uint8, ``labels`` (N,) int64 in the order of ``EXPRESSIONS`` (-1: no majority
    among the seven), ``votes`` (N, 10) int64 in the order of :data:`VOTE_COLUMNS`, and the dataset's file names."""

    images: Tensor
    labels: Tensor
    votes: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, indices: Tensor) -> FaceSet:
        """The faces at ``indices`` (K,), in that order."""
        names = tuple(self.names[index] for index in indices.tolist())
        return FaceSet(self.images[indices], self.labels[indices], self.votes[indices], names)

    def labelled(self) -> FaceSet:
        """Only the faces with a majority label among the seven expressions."""
        return self.subset(torch.nonzero(self.labels != DROPPED).flatten())

    def digest(self) -> str:
        """Hash (hex) of the names and labels, in their order."""
        named = zip(self.names, self.labels.tolist(), strict=True)
        return hashlib.sha256("\n".join(f"{name} {label}" for name, label in named).encode()).hexdigest()

    def counts(self) -> tuple[int, ...]:
        """Faces of each expression, in the order of ``EXPRESSIONS``."""
        return tuple(int((self.labels == index).sum()) for index in range(len(EXPRESSIONS)))


def majority_labels(votes: Tensor) -> Tensor:
    """FERPlus's majority rule: drop single votes, then keep a face whose largest count is more than half of what remains.

    Args:
        votes: ``(N, 10)`` counts in the order of :data:`VOTE_COLUMNS`.

    Returns:
        ``(N,)`` int64 indices into ``EXPRESSIONS``; -1 where no class has a majority or the majority is not one of the seven.
    """
    kept = torch.where(votes > 1, votes, 0)
    largest, column = kept.max(dim=1)
    to_expression = torch.tensor([EXPRESSIONS.index(name) if name in EXPRESSIONS else DROPPED for name in VOTE_COLUMNS])
    return torch.where(2 * largest > kept.sum(dim=1), to_expression[column], DROPPED)


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
    if path.is_file() and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                return _read_pictures(archive.read, usage, folder)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DatasetError(f"{path} is damaged ({error}): copy or load it again") from error
    if (path / PIXELS_FILE).is_file():
        return _read_pixels(path, usage)
    if (path / folder).is_dir():
        return _read_pictures(lambda name: (path / name).read_bytes(), usage, folder)
    raise DatasetError(f"{path}: no FERPlus here; {HOW_TO_GET}")


def _vote_rows(text: str, usage: str) -> list[tuple[int, str, list[int]]]:
    """(row number in the file, image name, ten votes) of every row of a usage; rows without a picture have an empty name."""
    rows = csv.DictReader(io.StringIO(text))
    missing = {"Usage", "Image name", *VOTE_COLUMNS} - set(rows.fieldnames or ())
    if missing:
        raise DatasetError(f"{VOTES_FILE} lacks the columns {', '.join(sorted(missing))}")
    return [(number, row["Image name"], _votes_of(number, row)) for number, row in enumerate(rows) if row["Usage"] == usage]


def _votes_of(number: int, row: dict[str, str]) -> list[int]:
    try:
        return [int(row[column]) for column in VOTE_COLUMNS]
    except (TypeError, ValueError) as error:  # None where the row ends early
        raise DatasetError(f"{VOTES_FILE}, row {number + 1} below the header: ten counts of votes are expected; load it again") from error


def _read_pictures(read: Callable[[str], bytes], usage: str, folder: str) -> FaceSet:
    try:
        rows = _vote_rows(read(VOTES_FILE).decode(), usage)
    except (KeyError, OSError) as error:
        raise DatasetError(f"{VOTES_FILE} is missing; {HOW_TO_GET}") from error
    named = [(name, votes) for _, name, votes in rows if name]
    pixels = np.empty((len(named), FACE_SIZE, FACE_SIZE), dtype=np.uint8)
    for index, (name, _) in enumerate(named):
        try:
            picture = cv2.imdecode(np.frombuffer(read(f"{folder}/{name}"), np.uint8), cv2.IMREAD_GRAYSCALE)
        except (KeyError, OSError) as error:
            raise DatasetError(f"{folder}/{name} is missing; {HOW_TO_GET}") from error
        if picture is None or picture.shape != (FACE_SIZE, FACE_SIZE):
            raise DatasetError(f"{folder}/{name} is not a {FACE_SIZE}x{FACE_SIZE} picture")
        pixels[index] = picture
    return _face_set(pixels, [votes for _, votes in named], [name for name, _ in named])


def _read_pixels(path: Path, usage: str) -> FaceSet:
    try:
        votes = _vote_rows((path / VOTES_FILE).read_text(), usage)
    except OSError as error:
        raise DatasetError(f"{path / VOTES_FILE} is missing; {HOW_TO_GET}") from error
    with (path / PIXELS_FILE).open(newline="") as file:
        rows = csv.DictReader(file, skipinitialspace=True)  # one of Kaggle's two editions has "emotion, Usage, pixels"
        if "pixels" not in (rows.fieldnames or ()):
            raise DatasetError(f"{path / PIXELS_FILE} lacks the column pixels; it has {', '.join(rows.fieldnames or ['none'])}")
        strings = [row["pixels"] for row in rows]
    if votes and votes[-1][0] >= len(strings):
        raise DatasetError(f"{path / PIXELS_FILE} has {len(strings)} rows, fewer than {VOTES_FILE}")
    named = [row for row in votes if row[1]]  # the two files match row by row; a row without a name shows no face
    pixels = np.empty((len(named), FACE_SIZE, FACE_SIZE), dtype=np.uint8)
    for index, (number, _, _) in enumerate(named):
        try:
            pixels[index] = np.array(strings[number].split(), dtype=np.uint8).reshape(FACE_SIZE, FACE_SIZE)
        except (AttributeError, OverflowError, ValueError) as error:  # None where the row ends early
            where = f"{path / PIXELS_FILE}, row {number + 1} below the header"
            raise DatasetError(f"{where}: {FACE_SIZE * FACE_SIZE} pixels from 0 to 255 are expected; load it again") from error
    return _face_set(pixels, [row[2] for row in named], [row[1] for row in named])


def _face_set(pixels: np.ndarray, votes: list[list[int]], names: list[str]) -> FaceSet:
    counts = torch.tensor(votes, dtype=torch.int64).reshape(-1, len(VOTE_COLUMNS))
    return FaceSet(torch.from_numpy(pixels), majority_labels(counts), counts, tuple(names))
