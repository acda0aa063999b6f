"""RAF-DB, basic expressions: aligned faces and labels (Li, Deng and Du, CVPR 2017). Licensed; nothing of it is shipped here.

The aligned faces are colour pictures of 100x100 and are read as they are: RGB.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from model.data.faces import DatasetError, FaceSet
from model.expressions import EXPRESSIONS
from model.geometry import RAFDB_FACE_SIZE

# Label 1..7 of the list, in order.
RAF_ORDER = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
LIST_FILES = (
    "EmoLabel/list_patition_label.txt",
    "list_patition_label.txt",
    "rafdb_list_partition_label.txt",
)  # the first is the official name
IMAGE_FOLDERS = ("Image/aligned", "aligned")
SPLITS = ("train", "test")

HOW_TO_GET = (
    "RAF-DB is licensed: ask its authors for it at http://www.whdeng.cn/RAF/model1.html, then give --data the folder with "
    f"{LIST_FILES[0]} and {IMAGE_FOLDERS[0]}/train_00001_aligned.jpg and so on"
)


def load_rafdb(path: Path, split: str) -> FaceSet:
    """Every face of a split with its label: ``images`` (N, 3, 100, 100) RGB. RAF-DB publishes no single votes: ``votes`` is ``(N, 0)``.

    Args:
        path: the folder ``basic`` of the dataset, or one that holds the list and the folder ``aligned``.
        split: train or test; there is no validation split.

    Raises:
        DatasetError: nothing readable there; the message says where the dataset is asked for.
    """
    if split not in SPLITS:
        raise DatasetError(f"RAF-DB has no split {split!r}, only {' and '.join(SPLITS)}")
    folder = next((path / name for name in IMAGE_FOLDERS if (path / name).is_dir()), None)
    if folder is None:
        raise DatasetError(f"{path}: no aligned RAF-DB pictures here; {HOW_TO_GET}")
    entries = [(name, label) for name, label in read_labels(path) if name.startswith(f"{split}_")]
    if not entries:
        raise DatasetError(f"{path}: the list names no picture of the {split} split; {HOW_TO_GET}")
    pixels = np.empty((len(entries), 3, RAFDB_FACE_SIZE, RAFDB_FACE_SIZE), dtype=np.uint8)
    for index, (name, _) in enumerate(entries):
        pixels[index] = _read_face(folder / f"{Path(name).stem}_aligned.jpg")
    labels = torch.tensor([label for _, label in entries], dtype=torch.int64)
    return FaceSet(torch.from_numpy(pixels), labels, torch.zeros(len(entries), 0, dtype=torch.int64), tuple(name for name, _ in entries))


def read_labels(path: Path) -> list[tuple[str, int]]:
    """Name and label, an index into ``EXPRESSIONS``, of every line of the list; ``path`` is the list or a folder that holds it.

    Raises:
        DatasetError: no list there, or a line that is not ``name label`` with a label from 1 to 7.
    """
    file = path if path.is_file() else next((path / name for name in LIST_FILES if (path / name).is_file()), None)
    if file is None:
        raise DatasetError(f"{path}: no RAF-DB label list here; {HOW_TO_GET}")
    entries: dict[str, int] = {}
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
        name, _, label = line.strip().partition(" ")
        if label not in {"1", "2", "3", "4", "5", "6", "7"}:
            raise DatasetError(f"{file}, line {number}: expected a file name and a label from 1 to 7")
        if name in entries:
            raise DatasetError(f"{file}, line {number}: an earlier line labels this picture, too; load it again")
        entries[name] = EXPRESSIONS.index(RAF_ORDER[int(label) - 1])
    return list(entries.items())


def _read_face(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise DatasetError(f"{path} is missing or not a picture; {HOW_TO_GET}")
    if picture.shape[:2] != (RAFDB_FACE_SIZE, RAFDB_FACE_SIZE):
        height, width = picture.shape[:2]
        raise DatasetError(
            f"{path} has {width} x {height} pixels, an aligned face of RAF-DB {RAFDB_FACE_SIZE} x {RAFDB_FACE_SIZE}; {HOW_TO_GET}"
        )
    return np.moveaxis(picture, 2, 0)
