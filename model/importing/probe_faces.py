"""Labelled faces to try an imported classifier on: a folder with one subfolder an expression, FERPlus's test split, or RAF-DB's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.data.ferplus import VOTES_FILE, load_ferplus
from model.data.rafdb import IMAGE_FOLDERS, read_labels
from model.errors import InputError
from model.expressions import EXPRESSIONS, expression_named

Picture = NDArray[np.uint8]  # RGB (H, W, 3)

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
LEAST_FACES = 20
SEED = 1


@dataclass(frozen=True)
class ProbeFaces:
    """Pictures of one face each, and their labels ``(N,)``, indices into ``EXPRESSIONS``."""

    pictures: tuple[Picture, ...]
    labels: Tensor

    @property
    def side(self) -> int:
        """Median of the pictures' shorter sides, in pixels."""
        return int(np.median([min(picture.shape[:2]) for picture in self.pictures]))

    def at(self, side: int) -> Tensor:
        """``(N, 3, side, side)`` uint8 RGB: the largest square in the middle of each, resized."""
        squares = [_square(picture) for picture in self.pictures]
        shrunk = [cv2.resize(square, (side, side), interpolation=_kind(square, side)) for square in squares]
        return torch.from_numpy(np.stack(shrunk)).permute(0, 3, 1, 2)

    def changed(self, change: Callable[[Picture], Picture]) -> ProbeFaces:
        """The same faces, framed otherwise."""
        return ProbeFaces(tuple(change(picture) for picture in self.pictures), self.labels)


def load_probe_faces(path: Path, most: int) -> ProbeFaces:
    """At most so many faces, drawn with a fixed seed.

    Args:
        path: FERPlus as a zip or folder, RAF-DB's folder, or a folder ``EXPRESSION/PICTURE``.

    Raises:
        InputError: nothing readable there, or too few faces; the message says what is expected.
    """
    if most < LEAST_FACES:
        raise InputError(f"--probe-faces is {LEAST_FACES} or more, not {most}: fewer faces tell no reading from another")
    if path.is_file() or (path / "ferplus.zip").is_file() or (path / VOTES_FILE).is_file():
        faces = load_ferplus(path, "test").labelled()
        chosen = _drawn(len(faces), most)
        pictures = tuple(np.repeat(image[:, :, None], 3, axis=2) for image in faces.images[chosen].numpy())
        return ProbeFaces(pictures, faces.labels[chosen])
    named = _rafdb(path) or _folders(path)
    if len(named) < LEAST_FACES:
        raise InputError(
            f"{path}: {len(named)} labelled faces, and a probe needs {LEAST_FACES}: give a folder with one subfolder for each expression "
            f"({', '.join(EXPRESSIONS)}) that holds pictures of single faces, or FERPlus, or RAF-DB"
        )
    entries = [named[index] for index in _drawn(len(named), most).tolist()]
    return ProbeFaces(tuple(_picture(file) for file, _ in entries), torch.tensor([label for _, label in entries]))


def _drawn(count: int, most: int) -> Tensor:
    if count <= most:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(SEED))[:most].sort().values


def _rafdb(path: Path) -> list[tuple[Path, int]]:
    folder = next((path / name for name in IMAGE_FOLDERS if (path / name).is_dir()), None)
    if folder is None:
        return []
    labels = [(name, label) for name, label in read_labels(path) if name.startswith("test_")]
    return [(folder / f"{Path(name).stem}_aligned.jpg", label) for name, label in labels]


def _folders(path: Path) -> list[tuple[Path, int]]:
    if not path.is_dir():
        raise InputError(f"{path}: there is no such folder or file of labelled faces")
    found = []
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir()):
        expression = expression_named(folder.name)
        if expression is not None:
            files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
            found += [(file, EXPRESSIONS.index(expression)) for file in files]
    return found


def _picture(file: Path) -> Picture:
    try:
        picture = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise InputError(f"{file}: cannot be read: take it out of the probe") from error
    if picture is None:
        raise InputError(f"{file}: is no picture: take it out of the probe")
    return np.ascontiguousarray(picture[:, :, ::-1])


def _square(picture: Picture) -> Picture:
    rows, columns = picture.shape[:2]
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    return picture[top : top + side, left : left + side]


def _kind(square: Picture, side: int) -> int:
    return int(cv2.INTER_AREA if square.shape[0] > side else cv2.INTER_LINEAR)
