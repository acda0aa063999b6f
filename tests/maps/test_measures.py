"""The measurements on maps, each against a case worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from model.maps.inner_face import inner_face_cover
from model.maps.measures import (
    find_cues,
    flip_back,
    flip_consistency,
    mass_share,
    minmax_overlap,
    overlap,
    own_mirror_found,
    own_symmetry,
    paper_flip_error,
    periphery_share,
    relative_flip_error,
    top_cells,
    top_cells_iou,
    total_variation,
)
from model.networks import Grid

RISING = np.array([[1.0, 2.0], [3.0, 4.0]])


def random_maps(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def test_flip_back_mirrors_the_columns() -> None:
    assert flip_back(RISING).tolist() == [[2, 1], [4, 3]]


def test_flip_consistency_of_a_hand_worked_case() -> None:
    # Deviations of RISING: -1.5, -0.5, 0.5, 1.5 (squares sum to 5); of its mirror image 2, 1, 4, 3: -0.5, -1.5, 1.5, 0.5.
    # Each of the four products is 0.75, their sum 3; r is 3 / 5.
    assert flip_consistency(RISING, flip_back(RISING)).item() == pytest.approx(0.6)


def test_flip_consistency_is_pearson_and_sees_neither_strength_nor_offset() -> None:
    maps, other = random_maps(4, 7, 5, 5), random_maps(4, 7, 5, 5, seed=1)
    found = flip_consistency(maps, other)
    expected = stats.pearsonr(maps[2, 3].ravel(), other[2, 3].ravel()).statistic
    assert found.shape == (4, 7)
    assert found[2, 3].item() == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(flip_consistency(3 * maps + 2, other), found)


def test_flip_consistency_of_a_flat_map_is_undefined() -> None:
    wobble = np.full((2, 2), 5.0) + 1e-7 * RISING  # varies by 1e-7, less than the threshold of 1e-6
    assert np.isnan(flip_consistency(wobble, RISING)) and np.isnan(flip_consistency(RISING, wobble))
    assert flip_consistency(1e-5 * RISING, 1e-5 * RISING).item() == pytest.approx(1.0)


def test_paper_flip_error_of_a_hand_worked_case() -> None:
    # RISING - mirror image = -1, 1, -1, 1: the mean square is 1; at half strength it is a quarter.
    assert paper_flip_error(RISING, flip_back(RISING)).item() == 1.0
    assert paper_flip_error(RISING / 2, flip_back(RISING) / 2).item() == 0.25


def test_relative_flip_error_does_not_fall_when_maps_shrink() -> None:
    # The variance of 1, 2, 3, 4 is 1.25; 1 / 1.25 = 0.8 = 2 (1 - r) with r = 0.6.
    for strength in (1.0, 0.5, 100.0):
        assert relative_flip_error(strength * RISING, strength * flip_back(RISING)).item() == pytest.approx(0.8)
    flat = np.zeros((2, 2))
    # Against a flat map: error mean(1, 4, 9, 16) = 7.5, mean variance 0.625.
    assert relative_flip_error(RISING, flat).item() == pytest.approx(12.0)
    assert np.isnan(relative_flip_error(flat, flat))


def test_top_cells_are_a_fifth_rounded_up() -> None:
    maps = np.arange(25.0).reshape(5, 5)
    assert top_cells(maps).ravel().nonzero()[0].tolist() == [20, 21, 22, 23, 24]
    assert top_cells(np.arange(36.0).reshape(6, 6)).sum() == 8  # 7.2
    assert top_cells(np.arange(49.0).reshape(7, 7)).sum() == 10  # 9.8


def test_iou_of_top_cells_of_a_hand_worked_case() -> None:
    maps = np.arange(25.0).reshape(5, 5)  # hottest: the last row
    other = maps.copy()
    other[0, :3] = 100.0  # hottest: three cells of the first row, and 23 and 24 of the last: 2 common of 8
    assert top_cells_iou(maps, other).item() == pytest.approx(2 / 8)
    assert top_cells_iou(maps, maps).item() == 1.0
    assert np.isnan(top_cells_iou(maps, np.ones((5, 5))))


def test_overlap_of_a_hand_worked_case() -> None:
    maps = np.array([[[1.0, 3.0], [-5.0, 0.0]], [[2.0, 0.0], [2.0, -1.0]], [[-1.0, 0.0], [0.0, 0.0]]])
    # Positive parts to sum 1: .25 .75 0 0 and .5 0 .5 0; the smaller of each: .25. The third class has no positive cell.
    found = overlap(maps)
    assert found[0, 1].item() == found[1, 0].item() == 0.25
    assert found[0, 0].item() == 1.0
    assert np.isnan(found[2]).all() and np.isnan(found[:, 2]).all()


def test_overlap_does_not_see_strength() -> None:
    maps = random_maps(3, 7, 5, 5)
    strengths = np.arange(1.0, 8.0).reshape(7, 1, 1)
    np.testing.assert_allclose(overlap(maps * strengths), overlap(maps))
    assert overlap(maps).shape == (3, 7, 7)


def test_minmax_overlap_of_a_hand_worked_case() -> None:
    maps = np.array([[[1.0, 3.0], [-5.0, 0.0]], [[2.0, 0.0], [2.0, -2.0]], [[4.0, 4.0], [4.0, 4.0]]])
    # Min-max: (6 8 0 5) / 8, sum 19/8, so 6/19 8/19 0 5/19; (4 2 4 0) / 4, so .4 .2 .4 0. The smaller: 6/19 + .2 + 0 + 0.
    found = minmax_overlap(maps)
    assert found[0, 1].item() == pytest.approx(6 / 19 + 0.2)
    np.testing.assert_allclose(minmax_overlap(10 * maps - 3)[:2, :2], found[:2, :2])
    assert np.isnan(found[2]).all()


def test_cells_of_the_inner_face() -> None:
    # Three cells at pixels 1.5, 4.5 and 7.5 of 9; an ellipse that touches all edges is pi/4 of the square.
    area, outside = inner_face_cover(Grid(1, 3, 9), 3, (0.5, 0.5, 0.5, 0.5))
    np.testing.assert_allclose(area, np.full((3, 3), 1 / 9), atol=2e-3)
    assert (area * outside).sum().item() == pytest.approx(1 - math.pi / 4, abs=1e-3)
    assert outside[1, 1] == 0.0
    np.testing.assert_allclose(outside, outside[::-1])
    np.testing.assert_allclose(outside, outside[:, ::-1])
    np.testing.assert_allclose(outside, outside.T)


def test_border_cells_reach_to_the_edge() -> None:
    # dlib's grid at 99 px: centres at 17.5, 33.5, ... so the first cell covers pixels 0 to 25.5, the second 16 pixels.
    area, _ = inner_face_cover(Grid(17, 16, 99), 5, (0.5, 0.5, 0.3, 0.3))
    sides = area.sum(0)
    np.testing.assert_allclose(sides, np.array([25.5, 16, 16, 16, 25.5]) / 99, atol=2e-3)


def test_mass_is_what_lies_inside() -> None:
    maps = np.array([[[3.0, 1.0], [-5.0, 0.0]], [[-1.0, 0.0], [0.0, -2.0]]])
    np.testing.assert_array_equal(mass_share(maps, np.array([[True, False], [True, True]])), [0.75, np.nan])


def test_periphery_share_of_a_hand_worked_case() -> None:
    area = np.array([[2.0, 1.0], [1.0, 1.0]])
    outside = np.array([[1.0, 0.5], [0.0, 0.0]])
    maps = np.array([[1.0, 2.0], [2.0, -9.0]])
    # Mass: 2, 2, 2, 0; outside: 2 + 1 of 6. Uniform: (2 + 0.5) / 5.
    assert periphery_share(maps, area, outside).item() == pytest.approx(3 / 6 - 2.5 / 5)
    assert periphery_share(np.ones((2, 2)), area, outside).item() == pytest.approx(0.0)
    assert np.isnan(periphery_share(-np.ones((2, 2)), area, outside))


def test_evidence_of_a_hand_worked_cue() -> None:
    maps = np.zeros((4, 4))
    maps[0, 1], maps[0, 0], maps[1, 2], maps[1, 1], maps[3, 3] = 8.0, 4.0, 2.0, -7.0, 5.0
    cue = find_cues(maps, maps)
    assert cue.peak.tolist() == [0, 1]
    # 3x3 around (0, 1), inside the map: 8 + 4 + 2; the negative cell does not count, nor does the far one. 16 cells.
    assert cue.evidence.item() == 14 / 16
    assert cue.share.item() == pytest.approx(14 / 19)
    assert cue.found and cue.mirror_agrees


def test_peaks_agree_up_to_one_cell_apart() -> None:
    maps, mirrored = np.zeros((2, 1, 4, 4)), np.zeros((2, 1, 4, 4))
    maps[:, 0, 1, 1] = 1.0
    mirrored[0, 0, 2, 2] = 1.0  # one cell down and one to the right
    mirrored[1, 0, 1, 3] = 1.0  # two cells to the right
    assert find_cues(maps, mirrored).mirror_agrees.tolist() == [[True], [False]]


@pytest.mark.parametrize(("maps", "mirrored"), [(-RISING, RISING), (np.zeros((2, 2)), RISING), (RISING, -RISING)])
def test_without_a_positive_cell_there_is_no_evidence(maps: NDArray[np.float64], mirrored: NDArray[np.float64]) -> None:
    cue = find_cues(maps, mirrored)
    positive = bool((maps > 0).any())
    assert bool(cue.found) is positive
    assert (cue.evidence.item() > 0) is positive
    assert (cue.share.item() > 0) is positive
    assert not cue.mirror_agrees


def test_many_faces_at_once_give_what_each_gives_alone() -> None:
    maps, mirrored = random_maps(5, 7, 6, 6), random_maps(5, 7, 6, 6, seed=2)
    area, outside = inner_face_cover(Grid(17, 16, 115), 6, (0.5, 0.59, 0.38, 0.42))
    together = [
        flip_consistency(maps, mirrored), paper_flip_error(maps, mirrored), relative_flip_error(maps, mirrored),
        top_cells_iou(maps, mirrored), periphery_share(maps, area, outside), *find_cues(maps, mirrored),
    ]  # fmt: skip
    for face in range(5):
        for name in range(7):
            a, b = maps[face, name], mirrored[face, name]
            alone = [
                flip_consistency(a, b), paper_flip_error(a, b), relative_flip_error(a, b), top_cells_iou(a, b),
                periphery_share(a, area, outside), *find_cues(a, b),
            ]  # fmt: skip
            for many, one in zip(together, alone, strict=True):
                np.testing.assert_allclose(many[face, name], one)


def test_own_symmetry_of_hand_worked_maps() -> None:
    # (1, 2, 1) is its own mirror image; (0, 1, 2) is turned about; (1, 2, 6): deviations -2, -1, 3 and 3, -1, -2: (-6 + 1 - 6) / 14.
    maps = np.array([[[1.0, 2.0, 1.0]], [[0.0, 1.0, 2.0]], [[1.0, 2.0, 6.0]], [[3.0, 3.0, 3.0]]])
    found = own_symmetry(maps)
    assert found[:3].tolist() == pytest.approx([1, -1, -11 / 14])
    assert np.isnan(found[3])


def test_a_face_finds_its_own_mirror_image_by_the_place_of_the_map_alone() -> None:
    maps = random_maps(4, 2, 3, 3)
    again = 3 * maps + 5  # stronger and higher, at the same places
    assert own_mirror_found(maps, again).tolist() == [[1, 1]] * 4
    again[:, 1] = again[[1, 0, 2, 3], 1]  # of the second class, faces 0 and 1 change places
    assert own_mirror_found(maps, again).tolist() == [[1, 0], [1, 0], [1, 1], [1, 1]]


def test_a_face_is_looked_for_among_so_many_in_their_order() -> None:
    # Faces 0 and 2 have the same map; looked for two at a time they never meet, and the fifth face is held against the last two.
    maps = random_maps(5, 1, 3, 3)
    maps[2] = maps[0]
    mirrored = maps.copy()
    mirrored[0] = -maps[0]
    assert own_mirror_found(maps, mirrored, among=2)[:, 0].tolist()[1:] == [1, 1, 1, 1]
    assert own_mirror_found(maps, mirrored, among=5)[0, 0].item() == 0
    assert np.isnan(own_mirror_found(np.ones((3, 1, 2, 2)), np.ones((3, 1, 2, 2)))).all()


def test_maps_alike_on_every_face_find_their_mirror_image_at_chance() -> None:
    maps = np.repeat(random_maps(1, 1, 4, 4), 50, axis=0)
    assert own_mirror_found(maps, maps).mean().item() == pytest.approx(1 / 50)


def test_total_variation_of_two_answers() -> None:
    seen, mirrored = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]]), np.array([[0.4, 0.3, 0.3], [0.0, 1.0, 0.0]])
    assert total_variation(seen, mirrored).tolist() == pytest.approx([0.1, 1.0])
