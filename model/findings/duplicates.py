"""The same picture twice: exact copies by the file's hash, near ones, also mirrored, by a hash of how the grey values rise and fall.

Comparing every face with every other grows with the square of their number. Here bits are dealt into one band more than may differ, so two
hashes that are near enough agree in a whole band (the pigeonhole principle), and only faces that share a band are compared: nothing near
is missed, and the work grows about linearly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SIDE = 16  # bits of a hash a row, and rows
BITS = SIDE * SIDE
NEAR = 20  # bits that may differ; of all FERPlus faces with the mirror images of others, the nearest of two people differ in 31
_DEAL_SEED = 20231030  # neighbouring bits say nearly the same, so a band gets bits from all over the face

Hashes = NDArray[np.uint64]  # (N, 4)


@dataclass(frozen=True)
class NearPairs:
    """Pairs of faces: indices ``first`` < ``second``, bits that differ, and whether one is the other's mirror image; each ``(P,)``."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    bits: NDArray[np.int64]
    mirrored: NDArray[np.bool_]


def difference_hash(faces: NDArray[np.uint8]) -> Hashes:
    """Hash of each face ``(N, H, W)``: whether the grey value rises from each of 17 cells to the next, in 16 rows."""
    small = np.array([cv2.resize(face, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA) for face in faces], dtype=np.uint8)
    small = small.reshape(-1, SIDE, SIDE + 1)
    rises = small[:, :, 1:] > small[:, :, :-1]
    return np.packbits(rises.reshape(len(small), BITS), axis=1).view(np.uint64)


def near_pairs(hashes: Hashes, mirrored: Hashes, near: int = NEAR) -> NearPairs:
    """All pairs of faces whose hashes, or the hash of one and of the other's mirror image, differ in at most ``near`` bits.

    A pair that is near both ways is given once, with the fewer bits.
    """
    faces = len(hashes)
    both = np.concatenate([hashes, mirrored])
    found: dict[tuple[int, int], tuple[int, bool]] = {}
    for one, other in _sharing_a_band(both, near + 1):
        bits = np.bitwise_count(both[one] ^ both[other]).sum(1)
        # Two mirror images differ as the faces do; a face and its own mirror image are one face.
        kept = (bits <= near) & (np.minimum(one, other) < faces) & (one % faces != other % faces)
        for a, b, count in zip(one[kept].tolist(), other[kept].tolist(), bits[kept].tolist(), strict=True):
            pair = (min(a % faces, b % faces), max(a % faces, b % faces))
            found[pair] = min(found.get(pair, (BITS, True)), (count, (a < faces) != (b < faces)))
    pairs = sorted(found)
    values = [found[pair] for pair in pairs]
    first, second = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    return NearPairs(
        first, second, np.array([bits for bits, _ in values], dtype=np.int64), np.array([way for _, way in values], dtype=bool)
    )


def _sharing_a_band(hashes: Hashes, bands: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of indices that agree in a band, band by band; a pair may come again."""
    bits = np.unpackbits(hashes.view(np.uint8), axis=1)[:, np.random.default_rng(_DEAL_SEED).permutation(BITS)]
    for band in np.array_split(bits, bands, axis=1):
        _, key = np.unique(np.packbits(band, axis=1), axis=0, return_inverse=True)
        order = np.argsort(key, kind="stable")
        sorted_keys = key[order]
        for step in range(1, len(order)):
            same = np.flatnonzero(sorted_keys[step:] == sorted_keys[:-step])
            if not same.size:
                break
            yield order[same], order[same + step]


def exact_groups(digests: Sequence[str | None]) -> list[list[int]]:
    """Groups of two or more faces of the same file; None is no file's hash."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for index, digest in enumerate(digests):
        if digest is not None:
            members[digest].append(index)
    return [group for group in members.values() if len(group) > 1]


def linked_groups(faces: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of each face's group, ``(faces,)``: pairs link their two faces, and all that hang together are one group."""
    links = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(faces, faces))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)
