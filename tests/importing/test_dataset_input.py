"""A data set's faces as a network takes them, against OpenCV, which shares no code with PyTorch."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import pytest
import torch

from model.importing.imported import dataset_input
from model.reference import ReferenceCheckpoint
from tests.made_checkpoints import INPUT_SIZE, make_metadata, random_classifier


def enlarged(face: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    for side in sides:
        face = cv2.resize(face, (side, side), interpolation=cv2.INTER_LINEAR)
    return face


@pytest.mark.parametrize(
    ("colour", "side", "sides"),
    [("grey", 48, (INPUT_SIZE,)), ("rgb", 100, (INPUT_SIZE,)), ("rgb", 48, (100, INPUT_SIZE))],
)
def test_faces_of_another_size_are_brought_to_that_of_the_training_faces_first(
    colour: Literal["grey", "rgb"], side: int, sides: tuple[int, ...]
) -> None:
    """Networks of grey faces were trained at 48 pixels, those of colour at RAF-DB's 100."""
    model = ReferenceCheckpoint("a", make_metadata("baseline").model_copy(update={"colour": colour}), "0" * 64, random_classifier(0))
    faces = np.random.default_rng(0).integers(0, 256, (2, side, side), dtype=np.uint8)
    expected = torch.from_numpy(np.stack([enlarged(face.astype(np.float32), sides) for face in faces]))
    given = dataset_input(model, torch.from_numpy(faces))
    assert given.shape == (2, 3, INPUT_SIZE, INPUT_SIZE)
    for channel in range(3):
        torch.testing.assert_close(given[:, channel], expected, atol=0.01, rtol=0)


def test_a_network_of_grey_faces_is_given_colour_ones_in_grey() -> None:
    model = ReferenceCheckpoint("a", make_metadata("baseline"), "0" * 64, random_classifier(0))
    colours = np.random.default_rng(1).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)
    grey = np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in colours])
    given = dataset_input(model, torch.from_numpy(colours).permute(0, 3, 1, 2))
    torch.testing.assert_close(given, dataset_input(model, torch.from_numpy(grey)), atol=0.51, rtol=0)  # OpenCV rounds to whole numbers
