"""Imbalance protocols against the published counts, and the choice of faces."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.data.faces import FaceSet
from model.data.imbalance import thin_to_protocol
from model.data.protocols import counts_at_factor, decayed_counts, protocol_counts, protocol_name
from model.data.rafdb import read_labels
from model.expressions import EXPRESSIONS

# Tables 4 and 5 of the supplement as printed, with the classes in the tables' own order, most frequent first.
RAF_ORDER_BY_COUNT = ("happiness", "neutral", "sadness", "surprise", "disgust", "anger", "fear")
RAF_ORIGINAL = (4772, 2524, 1982, 1290, 717, 705, 281)
RAF_ROWS = {
    "50": (4772, 2108, 1382, 751, 349, 286, 95),
    "100": (4772, 1878, 1097, 531, 220, 161, 48),
    "150": (4772, 1755, 959, 434, 168, 115, 32),
}
RAF_MU = {"50": 0.835, "100": 0.744, "150": 0.6955}
FERPLUS_ORIGINAL = (8740, 7287, 3149, 3014, 2100, 532, 119)
FERPLUS_ROWS = {
    "50": (5950, 5950, 3149, 3014, 2100, 532, 119),
    "100": (8740, 6923, 2842, 2584, 1710, 412, 87),
    "150": (8740, 6465, 2482, 2109, 1305, 293, 58),
}


def in_project_order(counts: tuple[int, ...], names: tuple[str, ...]) -> tuple[int, ...]:
    by_name = dict(zip(names, counts, strict=True))
    return tuple(by_name[name] for name in EXPRESSIONS)


@pytest.mark.parametrize("imbalance", ["50", "100", "150"])
def test_rafdb_protocols_are_the_published_counts_and_follow_the_rule(imbalance: str) -> None:
    available = in_project_order(RAF_ORIGINAL, RAF_ORDER_BY_COUNT)
    published = in_project_order(RAF_ROWS[imbalance], RAF_ORDER_BY_COUNT)

    assert protocol_counts("rafdb", imbalance, available) == published
    assert decayed_counts(available, RAF_MU[imbalance]) == published


@pytest.mark.parametrize("imbalance", ["50", "100", "150"])
def test_ferplus_protocols_are_the_published_counts(imbalance: str) -> None:
    assert protocol_counts("ferplus", imbalance, FERPLUS_ORIGINAL) == FERPLUS_ROWS[imbalance]


def test_ferplus_100_follows_the_rule_and_50_the_cap() -> None:
    assert decayed_counts(FERPLUS_ORIGINAL, 0.95) == FERPLUS_ROWS["100"]
    assert counts_at_factor(FERPLUS_ORIGINAL, 50) == FERPLUS_ROWS["50"]


def test_original_keeps_every_face() -> None:
    assert protocol_counts("ferplus", "original", FERPLUS_ORIGINAL) == FERPLUS_ORIGINAL


def test_any_factor_of_any_dataset_is_reached() -> None:
    # 800, 400, 200 have factor 4; mu = (800 / (200 * 16))^(1/2) = 1/2 makes 800, 200, 50
    assert counts_at_factor((400, 800, 200), 16) == (200, 800, 50)
    # below its own factor: cap at 2 * 200
    assert counts_at_factor((400, 800, 200), 2) == (400, 400, 200)
    assert counts_at_factor((400, 800, 200), 1) == (200, 200, 200)


@pytest.mark.parametrize(
    ("dataset", "imbalance", "available", "message"),
    [
        ("ferplus", "fifty", FERPLUS_ORIGINAL, "unknown imbalance 'fifty'"),
        ("ferplus", "0.5", FERPLUS_ORIGINAL, "from 1 up"),
        ("ferplus", "nan", FERPLUS_ORIGINAL, "from 1 up"),
        ("ferplus", "inf", FERPLUS_ORIGINAL, "from 1 up"),
        ("ferplus", "100000", FERPLUS_ORIGINAL, "no face left"),
        ("ferplus", "50", (6000, 6000, 3149, 3014, 2100, 532, 100), "needs 119 faces of disgust, this training set has 100"),
        ("other", "50", (5, 5, 5, 5, 5, 5, 0), "without faces"),
    ],
)
def test_impossible_protocols_say_why(dataset: str, imbalance: str, available: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        protocol_counts(dataset, imbalance, available)


@pytest.fixture
def faces() -> FaceSet:
    counts = (80, 64, 48, 32, 16, 8, 4)
    labels = torch.repeat_interleave(torch.arange(7), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))]
    names = tuple(f"face{number:04}.png" for number in range(len(labels)))
    images = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1).expand(-1, 48, 48)
    return FaceSet(images, labels, torch.zeros(len(labels), 10, dtype=torch.int64), names)


def test_subset_has_the_counts_and_keeps_faces_whole(faces: FaceSet) -> None:
    subset = thin_to_protocol(faces, "any", "40")

    assert subset.counts() == counts_at_factor(faces.counts(), 40)
    assert list(subset.names) == sorted(subset.names)
    for name, label, image in zip(subset.names, subset.labels, subset.images, strict=True):
        number = faces.names.index(name)
        assert label == faces.labels[number]
        assert image[0, 0] == number


def test_subset_depends_on_names_alone(faces: FaceSet) -> None:
    shuffled = faces.subset(torch.randperm(len(faces), generator=torch.Generator().manual_seed(4)))
    assert set(thin_to_protocol(shuffled, "any", "40").names) == set(thin_to_protocol(faces, "any", "40").names)


def test_of_two_protocols_the_smaller_keeps_some_of_the_larger_ones_faces(faces: FaceSet) -> None:
    assert set(thin_to_protocol(faces, "any", "80").names) < set(thin_to_protocol(faces, "any", "40").names)


@pytest.mark.parametrize(("written", "name"), [("original", "original"), ("150.0", "150"), ("1e2", "100"), ("37.5", "37.5")])
def test_a_protocol_has_one_spelling(written: str, name: str) -> None:
    assert protocol_name(written) == name


def test_idle_digits_do_not_change_the_published_protocol() -> None:
    available = (8740, 7287, 3149, 3014, 2100, 532, 119)
    assert protocol_counts("ferplus", "150.0", available) == (8740, 6465, 2482, 2109, 1305, 293, 58)


@pytest.mark.dataset
def test_rafdb_label_list_gives_the_original_row(ferplus_zip: Path) -> None:
    labels = [label for name, label in read_labels(ferplus_zip.parent) if name.startswith("train_")]
    counts = tuple(labels.count(index) for index in range(7))

    assert counts == in_project_order(RAF_ORIGINAL, RAF_ORDER_BY_COUNT)
