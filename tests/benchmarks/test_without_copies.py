"""Accuracies without the test faces that are in the training split: by hand, and of the README on the real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.without_copies import no_copies, rows
from model.data.faces import FaceSet
from model.data.labelled import load_labelled_faces
from model.measuring.results import load_named
from tests.live_server import ROOT
from tests.made_results import make_predicted_result


def faces(*greys: int) -> FaceSet:
    images = torch.stack([torch.full((48, 48), grey, dtype=torch.uint8) for grey in greys])
    labels, votes = torch.zeros(len(greys), dtype=torch.int64), torch.zeros(len(greys), 0, dtype=torch.int64)
    return FaceSet(images, labels, votes, tuple(map(str, greys)))


def test_a_copy_has_every_pixel_of_a_training_face() -> None:
    near = faces(5, 6, 7)
    near.images[0, 47, 47] += 1
    assert no_copies(near, faces(5, 7, 9)).tolist() == [True, True, False]


def test_what_is_left_is_measured_by_class() -> None:
    # labels 0 0 0 1: without the first face plain training names one of two and none right: 33.33, and (50 + 0) / 2
    plain = make_predicted_result("0001", "0010")
    better = make_predicted_result("0001", "0011", method="mek")
    kept = np.array([False, True, True, True])
    baseline, mek, difference = rows([plain, better], kept)
    assert baseline == "| baseline | 50.00 / 33.33 | 33.33 / 25.00 | 100.00 / 100.00 |"
    assert mek == "| mek | 75.00 / 83.33 | 66.67 / 75.00 | 100.00 / 100.00 |"
    assert (
        difference.startswith("| mek less baseline, same seeds | +25.00 [") and " | +33.33 [" in difference and " / +50.00 [" in difference
    )


@pytest.mark.dataset
def test_the_readme_has_both_methods_without_the_copies(ferplus_zip: Path) -> None:
    test, train = (load_labelled_faces("ferplus", ferplus_zip, split) for split in ("test", "train"))
    recorded = [
        load_named(ROOT / f"checkpoints/results/epochs30/ferplus-original-{name}-seed{seed}.json")
        for name in ("baseline", "cac")
        for seed in (1, 2, 3)
    ]
    without = [row.split(" | ")[2] for row in rows(recorded, no_copies(test, train))]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"{without[0]} for plain training and {without[1]} for ours" in text
    _, low_and_high = without[2].split(" / ")
    assert f"{float(low_and_high.split()[0]):+.1f} {low_and_high.split(maxsplit=1)[1].replace('+', '')}" in text
