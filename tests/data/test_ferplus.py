"""FERPlus in both forms, against the published counts."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from model.data.ferplus import VOTE_COLUMNS, DatasetError, load_ferplus, majority_labels
from model.expressions import EXPRESSIONS

# Table 5 of the supplement for the training faces; the other two from Microsoft's file by the same rule.
COUNTS = {
    "train": (8740, 7287, 3149, 3014, 2100, 532, 119),
    "valid": (1182, 865, 415, 351, 287, 62, 24),
    "test": (1090, 893, 396, 384, 273, 83, 18),
}


@pytest.mark.dataset
@pytest.mark.parametrize("split", COUNTS)
def test_labels_have_the_published_counts_and_every_face_its_picture(ferplus_zip: Path, split: str) -> None:
    faces = load_ferplus(ferplus_zip, split).labelled()
    assert faces.counts() == COUNTS[split]
    assert len(faces) == sum(COUNTS[split])
    assert faces.images.flatten(1).float().std(1).count_nonzero() > 0.99 * len(faces)  # pictures, not blank frames


@pytest.mark.parametrize(
    ("votes", "expression"),
    [
        # columns: neutral happiness surprise sadness anger disgust fear contempt unknown NF
        ((6, 0, 1, 1, 0, 0, 0, 0, 2, 0), "neutral"),  # single votes go: 6 of 8
        ((4, 0, 0, 1, 3, 2, 0, 0, 0, 0), None),  # 4 of 9 is no majority
        ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), None),  # half is not more than half
        ((0, 0, 3, 0, 0, 0, 4, 0, 0, 0), "fear"),  # 4 of 7
        ((0, 0, 0, 0, 0, 0, 0, 8, 2, 0), None),  # contempt has the majority, and is not one of the seven
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), None),  # nothing remains
        ((0, 0, 0, 0, 0, 2, 1, 1, 1, 1), "disgust"),  # 2 of 2
    ],
)
def test_majority_rule(votes: tuple[int, ...], expression: str | None) -> None:
    label = majority_labels(torch.tensor([votes])).item()
    assert label == (-1 if expression is None else EXPRESSIONS.index(expression))


def votes_file(rows: list[tuple[str, str, tuple[int, ...]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["Usage", "Image name", *VOTE_COLUMNS])
    writer.writerows([usage, name, *votes] for usage, name, votes in rows)
    return text.getvalue()


ROWS: list[tuple[str, str, tuple[int, ...]]] = [
    ("Training", "fer0000000.png", (9, 1, 0, 0, 0, 0, 0, 0, 0, 0)),
    ("Training", "", (0, 0, 0, 0, 0, 0, 0, 0, 0, 10)),  # Microsoft's file leaves the name out where there is no face
    ("Training", "fer0000002.png", (0, 0, 0, 0, 0, 0, 9, 0, 1, 0)),
    ("PublicTest", "fer0000003.png", (0, 10, 0, 0, 0, 0, 0, 0, 0, 0)),
]


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (4, 48, 48), dtype=np.uint8)


def write_folder_form(folder: Path, pictures: np.ndarray) -> None:
    folders = {"Training": "FER2013Train", "PublicTest": "FER2013Valid"}
    (folder / "fer2013new.csv").write_text(votes_file(ROWS))
    for (usage, name, _), picture in zip(ROWS, pictures, strict=True):
        if name:
            (folder / folders[usage]).mkdir(exist_ok=True)
            cv2.imwrite(str(folder / folders[usage] / name), picture)


def write_pixel_form(folder: Path, pictures: np.ndarray) -> None:
    (folder / "fer2013new.csv").write_text(votes_file(ROWS))
    lines = [f"0,{' '.join(map(str, picture.flatten()))},{usage}" for (usage, _, _), picture in zip(ROWS, pictures, strict=True)]
    (folder / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n")


def write_zip_form(folder: Path, pictures: np.ndarray) -> None:
    inner = folder / "inner"
    inner.mkdir()
    write_folder_form(inner, pictures)
    with zipfile.ZipFile(folder / "ferplus.zip", "w") as archive:
        for path in inner.rglob("*.*"):
            archive.write(path, path.relative_to(inner))


@pytest.mark.parametrize("write", [write_folder_form, write_pixel_form, write_zip_form])
def test_every_form_gives_the_same_faces(tmp_path: Path, pictures: np.ndarray, write: object) -> None:
    write(tmp_path, pictures)  # type: ignore[operator]
    faces = load_ferplus(tmp_path, "train")
    assert faces.names == ("fer0000000.png", "fer0000002.png")
    assert torch.equal(faces.images, torch.from_numpy(pictures[[0, 2]]))
    assert [EXPRESSIONS[label] for label in faces.labels.tolist()] == ["neutral", "fear"]
    assert load_ferplus(tmp_path, "valid").counts()[EXPRESSIONS.index("happiness")] == 1


def test_a_folder_without_the_dataset_is_told_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"fer2013new\.csv and FER2013Train"):
        load_ferplus(tmp_path, "train")


def test_a_missing_picture_is_named(tmp_path: Path, pictures: np.ndarray) -> None:
    write_folder_form(tmp_path, pictures)
    (tmp_path / "FER2013Train" / "fer0000002.png").unlink()
    with pytest.raises(DatasetError, match=r"FER2013Train/fer0000002\.png is missing"):
        load_ferplus(tmp_path, "train")


def test_both_of_kaggles_headers_are_read(tmp_path: Path, pictures: np.ndarray) -> None:
    write_pixel_form(tmp_path, pictures)
    file = tmp_path / "fer2013.csv"
    rows = [line.split(",") for line in file.read_text().splitlines()]
    file.write_text("\n".join(f"{emotion}, {usage}, {shown}" for emotion, shown, usage in rows) + "\n")
    assert torch.equal(load_ferplus(tmp_path, "train").images, torch.from_numpy(pictures[[0, 2]]))


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("fer2013.csv", lambda text: text.replace("pixels", "image"), "lacks the column pixels; it has emotion, image, Usage"),
        ("fer2013.csv", lambda text: text.replace(" ", ",", 1), "row 1 below the header: 2304 pixels from 0 to 255"),
        ("fer2013.csv", lambda text: text.replace("0,", "0,999 ", 1), "row 1 below the header: 2304 pixels from 0 to 255"),
        ("fer2013new.csv", lambda text: text.replace(",1,0", ",1", 1), "row 1 below the header: ten counts of votes"),
        ("fer2013new.csv", lambda text: text.replace(",9,", ",nine,", 1), "row 1 below the header: ten counts of votes"),
    ],
)
def test_a_damaged_table_is_named_with_its_row(
    tmp_path: Path, pictures: np.ndarray, name: str, damage: Callable[[str], str], reason: str
) -> None:
    write_pixel_form(tmp_path, pictures)
    file = tmp_path / name
    file.write_text(damage(file.read_text()))
    with pytest.raises(DatasetError, match=reason):
        load_ferplus(tmp_path, "train")


def test_a_damaged_zip_is_named(tmp_path: Path, pictures: np.ndarray) -> None:
    write_zip_form(tmp_path, pictures)
    archive = tmp_path / "ferplus.zip"
    data = bytearray(archive.read_bytes())
    (start,) = (member.header_offset for member in zipfile.ZipFile(archive).infolist() if member.filename.endswith("fer0000002.png"))
    data[start + 200] ^= 1  # stored as it is, so that its checksum no longer holds
    archive.write_bytes(data)
    with pytest.raises(DatasetError, match=r"ferplus\.zip is damaged"):
        load_ferplus(tmp_path, "train")
