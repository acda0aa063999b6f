"""The RAF-DB reader on a folder of the dataset's form, with pictures made here."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from model.data.faces import DatasetError
from model.data.rafdb import load_rafdb
from model.expressions import EXPRESSIONS

# Label numbers as the dataset's readme gives them.
LABELS = {1: "surprise", 2: "fear", 3: "disgust", 4: "happiness", 5: "sadness", 6: "anger", 7: "neutral"}


def make_rafdb(folder: Path, list_name: str = "EmoLabel/list_patition_label.txt", images: str = "Image/aligned") -> Path:
    (folder / images).mkdir(parents=True)
    (folder / list_name).parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(1, 8):
        for split in ("train", "test"):
            name = f"{split}_{number:05}" if split == "train" else f"{split}_{number:04}"
            lines.append(f"{name}.jpg {number}")
            brightness = 20 * number + (10 if split == "test" else 0)
            picture = np.full((100, 100, 3), brightness, np.uint8)
            picture[:, 50:] += 40
            picture[:, :, 2] += 15  # of blue, green, red
            cv2.imwrite(str(folder / images / f"{name}_aligned.jpg"), picture)
    (folder / list_name).write_text("\n".join(lines) + "\n")
    return folder


def test_labels_are_translated_to_the_order_of_this_project(tmp_path: Path) -> None:
    faces = load_rafdb(make_rafdb(tmp_path), "train")

    assert len(faces) == 7
    named = dict(zip(faces.names, faces.labels.tolist(), strict=True))
    for number, expression in LABELS.items():
        assert EXPRESSIONS[named[f"train_{number:05}.jpg"]] == expression
    assert faces.votes.shape == (7, 0)


def test_pictures_are_read_as_they_are_in_red_green_and_blue(tmp_path: Path) -> None:
    faces = load_rafdb(make_rafdb(tmp_path), "test")

    assert faces.images.shape == (7, 3, 100, 100)
    for name, image in zip(faces.names, faces.images, strict=True):
        brightness = 20 * int(name[5:9]) + 10
        red, green, blue = image[:, 50, 10].tolist()
        assert max(abs(red - brightness - 15), abs(green - brightness), abs(blue - brightness)) <= 3
        assert abs(int(image[1, 50, 90]) - brightness - 40) <= 3


def test_a_picture_that_is_not_aligned_is_refused(tmp_path: Path) -> None:
    folder = make_rafdb(tmp_path)
    cv2.imwrite(str(folder / "Image/aligned/train_00002_aligned.jpg"), np.zeros((120, 100, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"train_00002_aligned\.jpg has 100 x 120 pixels"):
        load_rafdb(folder, "train")


@pytest.mark.parametrize(("list_name", "images"), [("list_patition_label.txt", "aligned"), ("rafdb_list_partition_label.txt", "aligned")])
def test_a_flat_folder_is_read_too(tmp_path: Path, list_name: str, images: str) -> None:
    assert len(load_rafdb(make_rafdb(tmp_path, list_name, images), "train")) == 7


def test_a_picture_labelled_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    listed = make_rafdb(tmp_path) / "EmoLabel" / "list_patition_label.txt"
    listed.write_text(listed.read_text() + "train_00001.jpg 2\n")
    with pytest.raises(DatasetError, match="line 15: an earlier line labels this picture, too"):
        load_rafdb(tmp_path, "train")


def test_a_list_without_the_split_is_refused(tmp_path: Path) -> None:
    listed = make_rafdb(tmp_path) / "EmoLabel" / "list_patition_label.txt"
    listed.write_text("test_0001.jpg 1\n")
    with pytest.raises(DatasetError, match="names no picture of the train split"):
        load_rafdb(tmp_path, "train")


def test_an_absent_dataset_says_where_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"whdeng\.cn/RAF"):
        load_rafdb(tmp_path / "nowhere", "train")
    (tmp_path / "aligned").mkdir()
    with pytest.raises(DatasetError, match=r"whdeng\.cn/RAF"):
        load_rafdb(tmp_path, "train")


def test_a_missing_or_broken_picture_is_named(tmp_path: Path) -> None:
    folder = make_rafdb(tmp_path)
    broken = folder / "Image/aligned/train_00003_aligned.jpg"
    broken.write_bytes(b"not a picture")

    with pytest.raises(DatasetError, match=r"train_00003_aligned\.jpg"):
        load_rafdb(folder, "train")


@pytest.mark.parametrize("line", ["train_00001.jpg", "train_00001.jpg 8", "train_00001.jpg 1 2", ""])
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    folder = make_rafdb(tmp_path)
    (folder / "EmoLabel/list_patition_label.txt").write_text(f"train_00002.jpg 2\n{line}\n")

    with pytest.raises(DatasetError, match="line 2"):
        load_rafdb(folder, "train")


def test_there_is_no_validation_split(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'valid'"):
        load_rafdb(make_rafdb(tmp_path), "valid")
