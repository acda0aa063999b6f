"""The arithmetic of the crop's calibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.detection.detector import DetectedFace
from benchmarks.calibrate_crop import enlarged, measured, mirrored, weighted_median


@given(st.lists(st.tuples(st.floats(-10, 10), st.integers(1, 5)), min_size=1, max_size=12))
def test_a_weighted_median_is_the_median_of_repeated_values(pairs: list[tuple[float, int]]) -> None:
    values, counts = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    assert weighted_median(values, counts.astype(float)) == pytest.approx(float(np.median(np.repeat(values, counts))))


def test_measurements_are_in_sides_of_the_crop() -> None:
    # the crop's corner is at 96, 96 of the enlarged picture and its side is 192
    marks = {name: (96.0 + 19.2 * i, 96.0) for i, name in enumerate(("left_eye", "right_eye", "nose", "mouth_left", "mouth_right"))}
    values = measured(DetectedFace((144.0, 96.0, 96.0, 192.0), 1.0, marks), 48)
    assert values.tolist() == pytest.approx([0.5, 0.5, 0.75, 0, 0, 0.1, 0, 0.2, 0, 0.3, 0, 0.4, 0])


def test_mirroring_swaps_left_and_right() -> None:
    values = np.array([0.4, 0.5, 0.9, 0.3, 0.4, 0.7, 0.41, 0.5, 0.6, 0.35, 0.8, 0.65, 0.81])
    assert mirrored(values).tolist() == pytest.approx([0.6, 0.5, 0.9, 0.3, 0.41, 0.7, 0.4, 0.5, 0.6, 0.35, 0.81, 0.65, 0.8])
    assert mirrored(mirrored(values)).tolist() == pytest.approx(values.tolist())


def test_crops_are_enlarged_four_times_with_their_border_repeated() -> None:
    face = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (48, 1))
    shown = enlarged(face)
    assert shown.shape == (384, 384, 3)
    # column c of the crop is centred at 96 + 4 c + 1.5 of the enlarged picture
    assert shown[200, 96 + 4 * 20 + 1, 0] <= 100 <= shown[200, 96 + 4 * 20 + 2, 0]
    assert (shown[:, :90] == 0).all()
    assert (shown[:, 294:] == 235).all()


def test_colour_crops_of_100_pixels_are_enlarged_twice_and_keep_their_colour() -> None:
    face = np.zeros((3, 100, 100), np.uint8)
    face[0] = np.arange(100, 200)
    shown = enlarged(face)
    assert shown.shape == (400, 400, 3)
    assert shown[200, 100 + 2 * 50, 0] == pytest.approx(150, abs=1)
    assert (shown[:, :, 1:] == 0).all()
    marks = dict.fromkeys(("left_eye", "right_eye", "nose", "mouth_left", "mouth_right"), (100.0, 300.0))
    assert measured(DetectedFace((100.0, 100.0, 200.0, 200.0), 1.0, marks), 100).tolist() == [0.5, 0.5, 1.0, *5 * (0.0, 1.0)]
