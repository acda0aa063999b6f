"""Copies of a face, near and exact, against every pair compared."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from model.findings.duplicates import BITS, NEAR, Hashes, difference_hash, exact_groups, linked_groups, near_copies, near_pairs


def made_faces(count: int, seed: int = 1) -> np.ndarray:
    """Smooth grey pictures (count, 48, 48)."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(count, 8, 8)).astype(np.float32)
    smooth = np.array([cv2.resize(each, (48, 48), interpolation=cv2.INTER_CUBIC) for each in noise])
    return np.asarray(np.clip(128 + 40 * smooth, 0, 255), dtype=np.uint8)


def test_a_hash_says_where_the_grey_rises() -> None:
    rising = np.tile(np.arange(48, dtype=np.uint8), (48, 1))
    bits = np.unpackbits(difference_hash(np.stack([rising, rising[:, ::-1]])).view(np.uint8), axis=1)
    assert bits[0].all()
    assert not bits[1].any()


def found_pairs(hashes: Hashes, mirrored: Hashes, near: int) -> Iterator[tuple[tuple[int, int], tuple[int, bool]]]:
    for pairs in near_pairs(hashes, mirrored, near):
        for one, other, bits, way in zip(pairs.first, pairs.second, pairs.bits, pairs.mirrored, strict=True):
            yield (int(one), int(other)), (int(bits), bool(way))


@pytest.mark.parametrize("near", [0, 5, 12])
def test_no_near_pair_is_missed_and_none_is_made_up(near: int) -> None:
    generator = np.random.default_rng(3)
    bits = generator.integers(0, 2, (60, 256), dtype=np.uint8)
    copies = bits[generator.integers(0, 60, 140)]
    for copy in copies:
        copy[generator.choice(256, generator.integers(0, 20), replace=False)] ^= 1
    both = np.concatenate([bits, copies])
    hashes = np.packbits(both, axis=1).view(np.uint64)
    mirrored = np.packbits(np.roll(both, 7, axis=0), axis=1).view(np.uint64)
    found: dict[tuple[int, int], tuple[int, bool]] = {}
    for pair, (count, way) in found_pairs(hashes, mirrored, near):
        found[pair] = min(found.get(pair, (BITS, True)), (count, way))
    expected = {}
    for one in range(len(both)):
        for other in range(one + 1, len(both)):
            same, flipped = int((both[one] != both[other]).sum()), int((both[one] != both[other - 7]).sum())
            flipped = min(flipped, int((both[other] != both[one - 7]).sum()))
            if min(same, flipped) <= near:
                expected[one, other] = (min(same, flipped), flipped < same)
    assert found == expected
    assert expected
    said = near_copies(hashes, mirrored, near)
    nearest = [min((value for pair, value in expected.items() if face in pair), default=(BITS, False)) for face in range(len(both))]
    assert list(zip(said.bits.tolist(), said.mirrored.tolist(), strict=True)) == nearest
    for face, (partner, value) in enumerate(zip(said.partner.tolist(), nearest, strict=True)):
        assert partner == face if value == (BITS, False) else expected[min(face, partner), max(face, partner)] == value
    first, second = (np.array([pair[side] for pair in expected]) for side in (0, 1))
    assert_array_equal(said.group, linked_groups(len(both), first, second))


def test_faces_that_are_all_near_one_another_are_one_group_without_a_record_of_every_pair() -> None:
    generator = np.random.default_rng(5)
    bits = np.tile(generator.integers(0, 2, 256, dtype=np.uint8), (300, 1))
    for row, frame in enumerate(bits):
        frame[row % 10] ^= 1
    hashes = np.packbits(bits, axis=1).view(np.uint64)
    mirrored = np.packbits(generator.integers(0, 2, bits.shape, dtype=np.uint8), axis=1).view(np.uint64)
    tracemalloc.start()
    copies = near_copies(hashes, mirrored)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert copies.groups() == [list(range(300))]
    assert set(copies.bits.tolist()) == {0}
    assert peak < 2_000_000  # bytes; the 44,850 pairs alone would take several times as much


def test_a_copy_that_was_brightened_compressed_or_mirrored_is_near_and_another_face_is_not() -> None:
    faces = made_faces(50)
    brighter = np.clip(faces[0] * 0.8 + 30, 0, 255).astype(np.uint8)
    compressed = cv2.imdecode(cv2.imencode(".jpg", faces[1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_GRAYSCALE)
    everything = np.concatenate([faces, [brighter, compressed, faces[2, :, ::-1]]])
    found = found_pairs(difference_hash(everything), difference_hash(everything[:, :, ::-1]), NEAR)
    assert {(pair, way) for pair, (_, way) in found} == {((0, 50), False), ((1, 51), False), ((2, 52), True)}


def test_groups() -> None:
    assert exact_groups(["a", None, "b", "a", None, "c", "b", "a"]) == [[0, 3, 7], [2, 6]]
    groups = linked_groups(6, np.array([0, 4]), np.array([3, 3]))
    assert groups[0] == groups[3] == groups[4]
    assert len(set(groups.tolist())) == 4
    assert_array_equal(np.unique(linked_groups(2, np.array([], dtype=int), np.array([], dtype=int))), [0, 1])
