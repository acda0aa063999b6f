"""Colours and places of maps, against 2x2 maps worked out by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from app.choices import ColourMap, Scale, Style
from app.drawing.colours import as_webp, colour_limits, colour_table, colours, disc_cover, enlarged, overlay
from model.maps.picture import place_cells
from model.networks import Grid

# Cells at input pixels 1 and 5 of 7: pixel 3 is half way; pixels 0 and 6 lie beyond the centres.
GRID = Grid(first=1, step=4, input=7)
CELLS = np.array([[0.0, 4.0], [8.0, -4.0]])


def test_a_map_is_linear_between_the_centres_and_constant_beyond() -> None:
    placed = place_cells(CELLS, GRID, 7)
    np.testing.assert_allclose(placed[1], [0, 0, 1, 2, 3, 4, 4])  # the upper row of cells
    np.testing.assert_allclose(placed[:, 5], [4, 4, 2, 0, -2, -4, -4])  # the right column
    np.testing.assert_allclose(placed[3, 3], 2.0)  # the mean of the four
    np.testing.assert_allclose(placed[[0, 0, 6, 6], [0, 6, 0, 6]], [0, 4, 8, -4])  # corners repeat the outer cells


def test_a_larger_picture_keeps_the_places() -> None:
    # At three picture pixels an input pixel, input pixel p is centred at picture pixel 3 p + 1.
    np.testing.assert_allclose(place_cells(CELLS, GRID, 21)[1::3, 1::3], place_cells(CELLS, GRID, 7))


def test_placing_commutes_with_the_mirror_on_a_centred_grid() -> None:
    np.testing.assert_allclose(place_cells(CELLS[:, ::-1], GRID, 20), place_cells(CELLS, GRID, 20)[:, ::-1])


def test_one_limit_a_model_by_default_choice_and_per_map_and_for_all() -> None:
    weak = np.stack([CELLS / 8.0, -np.ones((2, 2))])  # maxima 1 and (none)
    strong = CELLS[None]  # maximum 8
    assert [limits.tolist() for limits in colour_limits([weak, strong], Scale.MODEL, signed=False)] == [[1.0, 1.0], [8.0]]
    assert [limits.tolist() for limits in colour_limits([weak, strong], Scale.ALL, signed=False)] == [[8.0, 8.0], [8.0]]
    assert [limits.tolist() for limits in colour_limits([weak, strong], Scale.MAP, signed=False)] == [[1.0, 0.0], [8.0]]


def test_signed_limits_count_negative_values_by_size() -> None:
    (limits,) = colour_limits([np.array([[[1.0, -3.0], [0.0, 2.0]]])], Scale.MAP, signed=True)
    assert limits.tolist() == [3.0]


def test_unsigned_colours_start_at_zero() -> None:
    table = colour_table(ColourMap.VIRIDIS)
    drawn = colours(np.array([-5.0, 0.0, 1.0, 2.0, 9.0]), 2.0, ColourMap.VIRIDIS)
    np.testing.assert_array_equal(drawn, table[[0, 0, 128, 255, 255]])


def test_signed_colours_keep_zero_in_the_middle() -> None:
    drawn = colours(np.array([-2.0, 0.0, 2.0, 1.0]), 2.0, ColourMap.SIGNED).astype(int)
    assert drawn[0, 2] > drawn[0, 0]  # negative: blue
    assert drawn[2, 0] > drawn[2, 2]  # positive: red
    assert np.ptp(drawn[1]) <= 3  # zero: neither
    assert drawn[3].tolist() == colour_table(ColourMap.SIGNED)[191].tolist()


def test_a_map_without_evidence_is_drawn_as_zero_everywhere() -> None:
    drawn = colours(np.array([-1.0, -0.5, 1e-9]), 0.0, ColourMap.INFERNO)
    np.testing.assert_array_equal(drawn, np.repeat(colour_table(ColourMap.INFERNO)[:1], 3, axis=0))


@pytest.mark.parametrize("colour_map", [ColourMap.VIRIDIS, ColourMap.INFERNO])
def test_the_default_kind_of_colour_map_gets_steadily_lighter(colour_map: ColourMap) -> None:
    linear = (colour_table(colour_map) / 255.0) ** 2.2
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance[::8]) > 0).all()


def test_jet_does_not() -> None:
    luminance = (colour_table(ColourMap.JET) / 255.0) ** 2.2 @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance[::8]) < 0).any()


def test_the_blend_is_the_weighted_mean_and_is_not_rescaled() -> None:
    face = np.full((48, 48), 100, dtype=np.uint8)
    blended = overlay(face, CELLS, GRID, 8.0, Style(ColourMap.VIRIDIS, opacity=0.25), 7)
    at_zero, at_peak = colour_table(ColourMap.VIRIDIS)[[0, 255]]
    np.testing.assert_array_equal(blended[1, 1], np.rint(75 + 0.25 * at_zero))
    np.testing.assert_array_equal(blended[5, 1], np.rint(75 + 0.25 * at_peak))
    assert blended.dtype == np.uint8
    dark = overlay(np.zeros((48, 48), np.uint8), CELLS, GRID, 8.0, Style(ColourMap.VIRIDIS, opacity=0.25), 7)
    assert int(dark.max()) == round(0.25 * int(colour_table(ColourMap.VIRIDIS)[255].max()))


def test_opacity_nought_is_the_face_and_one_is_the_map() -> None:
    face = np.arange(48 * 48 * 3, dtype=np.uint32).reshape(48, 48, 3).astype(np.uint8)
    np.testing.assert_array_equal(overlay(face, CELLS, GRID, 8.0, Style(ColourMap.JET, opacity=0.0), 48), face)
    expected = colours(place_cells(np.maximum(CELLS, 0.0), GRID, 48), 8.0, ColourMap.JET)
    np.testing.assert_array_equal(overlay(face, CELLS, GRID, 8.0, Style(ColourMap.JET, opacity=1.0), 48), expected)


@pytest.mark.parametrize("colour_map", [ColourMap.SIGNED, ColourMap.DISCS])
def test_a_signed_map_leaves_the_face_as_it_is_where_nothing_is_found(colour_map: ColourMap) -> None:
    face = np.arange(49, dtype=np.uint8).reshape(7, 7) * 5
    style = Style(colour_map, opacity=1.0)
    drawn = overlay(face, CELLS, GRID, 8.0, style, 7)
    np.testing.assert_array_equal(drawn[1, 1], [face[1, 1]] * 3)  # the centre of the cell that is 0
    np.testing.assert_array_equal(drawn[5, 1], colour_table(colour_map)[255])  # that of the cell at the limit
    assert drawn[5, 5, 2] > drawn[5, 5, 0]  # evidence against
    np.testing.assert_array_equal(overlay(face, np.zeros((2, 2)), GRID, 0.0, style, 7), enlarged(face, 7))


@pytest.mark.parametrize("colour_map", [ColourMap.SIGNED, ColourMap.DISCS, ColourMap.VIRIDIS])
def test_a_value_beyond_the_limit_is_drawn_as_the_limit(colour_map: ColourMap) -> None:
    """The difference of two maps is drawn with their limit, which it may pass twofold."""
    face, style = np.full((7, 7), 230, np.uint8), Style(colour_map, opacity=0.8)
    beyond, at_the_limit = (overlay(face, np.array([[value, -value]] * 2), GRID, 4.0, style, 7) for value in (8.0, 4.0))
    np.testing.assert_array_equal(beyond, at_the_limit)


def test_cells_are_cut_at_zero_before_they_are_placed() -> None:
    """Cut after placing, the slope from a positive to a negative cell would end in an edge half way, which no cell has."""
    black = np.zeros((7, 7), np.uint8)
    row = overlay(black, np.array([[8.0, -8.0]] * 2), GRID, 8.0, Style(ColourMap.VIRIDIS, opacity=1.0), 7)[3]
    expected = colours(np.array([8.0, 8.0, 6.0, 4.0, 2.0, 0.0, 0.0]), 8.0, ColourMap.VIRIDIS)
    np.testing.assert_array_equal(row, expected)


def test_a_discs_area_is_the_size_of_its_cells_value() -> None:
    grid = Grid(first=100, step=200, input=400)
    cover = disc_cover(np.array([[8.0, -2.0], [4.0, 0.0]]), grid, 8.0, 400)
    quarters = [cover[:200, :200], cover[:200, 200:], cover[200:, :200], cover[200:, 200:]]
    full = np.pi * 100**2
    for quarter, value in zip(quarters, (8.0, -2.0, 4.0, 0.0), strict=True):
        assert quarter.sum() == pytest.approx(full * value / 8.0, rel=2e-3)
    assert np.abs(cover).max() <= 1.0
    rows, columns = np.nonzero(quarters[2])
    assert (rows.mean(), columns.mean()) == pytest.approx((100.0, 100.0), abs=0.51)  # a cell's pixel 100 is centred at 100.5


def test_the_colour_of_a_disc_is_that_of_its_sign_alone() -> None:
    """Else its legend would tell values by colours that no disc has."""
    against, towards = colour_table(ColourMap.SIGNED)[[0, 255]]
    np.testing.assert_array_equal(colour_table(ColourMap.DISCS), np.repeat([against, towards], 128, axis=0))


def test_a_grey_face_has_three_equal_channels() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    picture = enlarged(grey, 99)
    assert picture.shape == (99, 99, 3)
    np.testing.assert_array_equal(picture[:, :, 0], picture[:, :, 2])


def test_encoded_pictures_keep_red_red() -> None:
    picture = np.zeros((32, 32, 3), dtype=np.uint8)
    picture[:, :, 0] = 200
    picture[:, :, 1] = 60
    with Image.open(io.BytesIO(as_webp(picture))) as decoded:
        assert decoded.format == "WEBP"
        np.testing.assert_allclose(np.asarray(decoded.convert("RGB"), dtype=int), picture, atol=12)
