"""Cropping: the training pixels exactly, exact area means, borders that go on, and requests for crops that are refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from app.decoding.decoder import DecodedImage, DecodeLimits, decode_image
from app.detection.asked_crop import parse_crop
from app.detection.crop import calibrated_crop, check_given_crop, crop_face, square_around
from app.detection.find import find_faces
from app.errors import Problem
from model.data.ferplus import load_ferplus
from model.geometry import ferplus_geometry, inner_face
from tests.pictures import encoded


def grey_noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """An RGB picture whose channels are equal."""
    return np.repeat(np.random.default_rng(seed).integers(0, 256, (height, width, 1), dtype=np.uint8), 3, axis=2)


class NoDetector:
    """Must not be asked."""

    calibrated = True

    def detect(self, pixels: NDArray[np.uint8], faces: int) -> list[object]:
        raise AssertionError("no detection was asked for")


@pytest.mark.dataset
def test_a_training_image_taken_whole_gives_exactly_its_pixels(ferplus_zip: Path) -> None:
    training = load_ferplus(ferplus_zip, "train")
    for index in range(0, len(training), len(training) // 50):
        expected = training.images[index].numpy()
        image = decode_image(encoded(Image.fromarray(expected), "PNG"), DecodeLimits())
        found = find_faces(image, NoDetector(), ferplus_geometry(), crop="whole")  # type: ignore[arg-type]
        assert np.array_equal(found.faces[0].grey, expected)


def test_a_grey_picture_of_48_pixels_is_its_own_crop() -> None:
    picture = grey_noise(48, 48)
    assert np.array_equal(crop_face(picture, (0, 0, 48, 48)), picture[:, :, 0])


def test_whole_factors_give_the_means_of_blocks() -> None:
    picture = grey_noise(200, 200)
    expected = picture[10:154, 20:164, 0].reshape(48, 3, 48, 3).mean(axis=(1, 3))
    assert np.abs(crop_face(picture, (20, 10, 144, 144)) - expected).max() <= 0.5 + 1e-3


@given(st.integers(-960, 1600), st.integers(-960, 1600), st.integers(16, 50))
def test_any_box_gives_area_means_with_the_border_repeated(left: int, top: int, cell: int) -> None:
    picture = grey_noise(70, 90)
    fine, margin = 16, 180  # all in sixteenths of a pixel: a cell of the crop is `cell` of them wide
    wide = cv2.copyMakeBorder(picture[:, :, 0], margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    rows, columns = (np.arange(start, start + 48 * cell) // fine + margin for start in (top, left))
    expected = wide[np.ix_(rows, columns)].reshape(48, cell, 48, cell).mean(axis=(1, 3))
    side = 48 * cell / fine
    assert np.abs(crop_face(picture, (left / fine, top / fine, side, side)) - expected).max() <= 0.5 + 1e-2


def test_small_boxes_are_enlarged_by_cubic_interpolation() -> None:
    picture = np.asarray(cv2.GaussianBlur(grey_noise(60, 60), (5, 5), 1.5), np.uint8)
    # Pillow's BICUBIC has the same kernel; it normalises at the border instead of repeating it, so the middle is compared
    expected = np.asarray(Image.fromarray(picture[:, :, 0]).resize((144, 144), Image.Resampling.BICUBIC, box=(10, 10, 46, 46)))[
        24:120, 24:120
    ]
    parts = [[crop_face(picture, (x, y, 12, 12)) for x in (16, 28)] for y in (16, 28)]
    assert np.abs(np.block(parts).astype(int) - expected).max() <= 1


def test_a_box_beside_the_picture_repeats_its_edge() -> None:
    picture = grey_noise(50, 50)
    for length in (20.0, 480.0):
        crop = crop_face(picture, (-2000, -2000, length, length))
        assert (crop == picture[0, 0, 0]).all()
        crop = crop_face(picture, (3000, 3000, length, length))
        assert (crop == picture[-1, -1, 0]).all()


@pytest.mark.parametrize("side", [20.0, 77.3, 300.0])
def test_the_mirrored_picture_gives_the_mirrored_crop(side: float) -> None:
    picture = grey_noise(120, 100)
    mirrored = crop_face(picture[:, ::-1], (100 - 13.4 - side, 5.2, side, side))
    assert np.abs(crop_face(picture, (13.4, 5.2, side, side))[:, ::-1].astype(int) - mirrored).max() <= 1


def test_grey_is_the_luma_of_television() -> None:
    colours = np.zeros((48, 48, 3), np.uint8)
    colours[:, :16], colours[:, 16:32], colours[:, 32:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    assert crop_face(colours, (0, 0, 48, 48))[0, [0, 20, 40]].tolist() == [76, 150, 29]  # ITU-R BT.601: .299, .587, .114


def test_a_calibrated_crop_puts_the_box_where_training_faces_have_it() -> None:
    geometry = ferplus_geometry().model_copy(update={"box_centre": (0.5, 0.6), "box_size": 0.8})
    # mean of 60 and 100 is 80 pixels = 0.8 sides, so a side is 100; the centre (130, 150) is 50 and 60 pixels from the corner
    assert calibrated_crop((100, 100, 60, 100), geometry) == pytest.approx((80, 90, 100, 100))


def test_squares_keep_the_centre() -> None:
    assert square_around((10, 20, 30, 50)) == (0, 20, 50, 50)


@pytest.mark.parametrize(
    "text", ["", "face", "1,2,3", "1,2,3,4,5", "a,b,c,d", "0,0,nan,10", "inf,0,10,10", "0,0,-5,10", "0,0,3,30", "9,9,5,5", "0;0;9;9"]
)
def test_senseless_crops_are_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_crop(text)
    assert caught.value.code == "invalid_parameter"
    assert caught.value.pointer == "/query/crop"


def test_sensible_crops_are_read() -> None:
    assert parse_crop("detect") == "detect"
    assert parse_crop("whole") == "whole"
    assert parse_crop("-1.5,2,30,40") == (-1.5, 2, 30, 40)


@pytest.mark.parametrize(
    "box", [(100, 0, 50, 50), (0, 200, 50, 50), (-50, 0, 50, 50), (0, -50, 50, 50), (-60, 0, 50, 200), (-10, -10, 401, 401)]
)
def test_crops_beside_the_picture_are_refused(box: tuple[float, float, float, float]) -> None:
    """Also where the square around the box would reach into it."""
    with pytest.raises(Problem, match="invalid_parameter"):
        check_given_crop(box, 100, 200)


def test_a_given_crop_may_leave_the_picture() -> None:
    check_given_crop((-20, -20, 400, 400), 100, 200)
    image = DecodedImage(grey_noise(200, 100), 100, 200)
    found = find_faces(image, NoDetector(), ferplus_geometry(), crop=(-20, -20, 50, 50))  # type: ignore[arg-type]
    assert found.faces[0].crop == (-20, -20, 50, 50)
    assert found.faces[0].box == (0, 0, 30, 30)
    assert found.faces[0].source == "given"


def test_the_recorded_geometry_is_that_of_an_upright_symmetric_face() -> None:
    geometry = ferplus_geometry()
    marks = geometry.landmarks
    assert geometry.box_centre[0] == 0.5
    assert marks["left_eye"][0] + marks["right_eye"][0] == pytest.approx(1)
    assert marks["left_eye"][0] < marks["nose"][0] < marks["right_eye"][0]
    assert marks["left_eye"][1] < marks["nose"][1] < marks["mouth_left"][1]
    assert geometry.ellipse == pytest.approx(inner_face(marks), abs=1e-4)
    assert min(geometry.detection_rate.values()) > 0.7
    assert sum(geometry.faces.values()) > 4000


def test_the_inner_face_of_simple_landmarks() -> None:
    # eyes 2 apart at height 0, mouth at height 2: v = 2, so from -1.2 to 3.0, centre 0.9, half height 2.1; half width 2
    landmarks = {"left_eye": (-1.0, 0.0), "right_eye": (1.0, 0.0), "nose": (0.0, 1.0), "mouth_left": (-0.7, 2.0), "mouth_right": (0.7, 2.0)}
    assert inner_face(landmarks) == pytest.approx((0, 0.9, 2, 2.1))
