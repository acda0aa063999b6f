"""Names of places: on the mean face, on a turned one, and their symmetry."""

from __future__ import annotations

import math

import pytest

from model.geometry import Point, ferplus_geometry
from model.maps.face_regions import PERIPHERY, PLACES, fit_template

MEAN = ferplus_geometry().landmarks


def moved(points: dict[str, Point], scale: float, degrees: float, shift: Point) -> dict[str, Point]:
    cos, sin = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    return {name: (cos * x - sin * y + shift[0], sin * x + cos * y + shift[1]) for name, (x, y) in points.items()}


@pytest.mark.parametrize(
    ("point", "place"),
    [
        ((0.31, 0.41), "left eye"), ((0.69, 0.41), "right eye"), ((0.31, 0.28), "left brow"), ((0.69, 0.28), "right brow"),
        ((0.19, 0.41), "left eye corner"), ((0.81, 0.41), "right eye corner"), ((0.5, 0.33), "nose bridge"), ((0.5, 0.62), "nose"),
        ((0.3, 0.62), "left cheek"), ((0.7, 0.62), "right cheek"), ((0.5, 0.81), "mouth"), ((0.34, 0.81), "left mouth corner"),
        ((0.66, 0.81), "right mouth corner"), ((0.5, 0.97), "chin"), ((0.5, 0.1), "forehead"),
        ((0.02, 0.5), PERIPHERY), ((0.95, 0.97), PERIPHERY),
    ],
)  # fmt: skip
def test_places_of_the_mean_face(point: Point, place: str) -> None:
    assert fit_template(MEAN, MEAN).place(point) == place


@pytest.mark.parametrize("name", ["left_eye", "right_eye", "nose", "mouth_left", "mouth_right"])
def test_landmarks_of_a_turned_larger_face_are_named_as_what_they_are(name: str) -> None:
    face = moved(MEAN, 300.0, 25.0, (40.0, -10.0))
    expected = {"mouth_left": "left mouth corner", "mouth_right": "right mouth corner"}.get(name, name.replace("_", " "))
    assert fit_template(face, MEAN).place(face[name]) == expected


def test_left_and_right_swap_on_the_mirrored_face() -> None:
    template = fit_template(MEAN, MEAN)
    swap = {"left": "right", "right": "left"}
    for row in range(40):
        for column in range(40):
            x, y = 0.0125 + column / 40, 0.0125 + row / 40
            side, _, rest = template.place((x, y)).partition(" ")
            assert template.place((1 - x, y)) == (f"{swap[side]} {rest}" if side in swap else f"{side} {rest}".strip())


def test_every_place_can_be_named() -> None:
    template = fit_template(MEAN, MEAN)
    assert {template.place((column / 100, row / 100)) for row in range(101) for column in range(101)} == set(PLACES)


def test_landmarks_at_one_point_are_refused() -> None:
    with pytest.raises(ValueError, match="one point"):
        fit_template(dict.fromkeys(MEAN, (0.5, 0.5)), MEAN)
