"""The same picture twice: exact copies by the file's hash, near ones, also mirrored, by a hash of how the grey values rise and fall.

Comparing every face with every other grows with the square of their number. Here bits are dealt into one band more than may differ, so
two hashes that are near enough agree in a whole band (the pigeonhole principle), and only faces that share a band are compared: nothing
near is missed. A band has 12 or 13 bits, so about one pair in 200 shares one by chance: two million of 8,000 FERPlus faces, soon done, and
some 3e10 of a million, which is an hour and more. Faces that are all near one another, as the frames of a video, share their bands:
there time grows as if all were compared, memory does not.
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


@dataclass(frozen=True)
class NearCopies:
    """Of each face, ``(N,)``: the number of its group, in which all hang together by near pairs; its nearest partner, itself where it has
    none; the bits that this one differs in, ``BITS`` where there is none; and whether the two are mirror images."""

    group: NDArray[np.int64]
    partner: NDArray[np.int64]
    bits: NDArray[np.int64]
    mirrored: NDArray[np.bool_]

    def groups(self) -> list[list[int]]:
        """Groups of two or more faces."""
        order = np.argsort(self.group, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.group[order])) + 1)
        return [part.tolist() for part in parts if len(part) > 1]


@dataclass(frozen=True)
class Copies:
    """Which of N pictures are copies of one another.

    ``files`` has the pictures of each file that is there more than once, by the first of them. ``compared`` (M,) are the pictures that were
    compared with one another, of each file the first, and ``near`` what that said of them. ``group`` (N,) is one number for all pictures
    that hang together as copies of either kind, -1 for those that are left out.
    """

    files: dict[int, list[int]]
    compared: NDArray[np.int64]
    near: NearCopies
    group: NDArray[np.int64]

    def of_file(self, first: int) -> list[int]:
        """The pictures of the file of a compared picture, this one first."""
        return self.files.get(first, [first])


def difference_hash(faces: NDArray[np.uint8]) -> Hashes:
    """Hash of each face ``(N, H, W)``: whether the grey value rises from each of 17 cells to the next, in 16 rows."""
    small = np.array([cv2.resize(face, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA) for face in faces], dtype=np.uint8)
    small = small.reshape(-1, SIDE, SIDE + 1)
    rises = small[:, :, 1:] > small[:, :, :-1]
    return np.packbits(rises.reshape(len(small), BITS), axis=1).view(np.uint64)


def near_pairs(hashes: Hashes, mirrored: Hashes, near: int = NEAR) -> Iterator[NearPairs]:
    """All pairs of faces whose hashes, or the hash of one and of the other's mirror image, differ in at most ``near`` bits.

    They come as they are found, at most twice as many as faces at a time; a pair may come again, also with the bits of its other way to be
    near.
    """
    faces = len(hashes)
    both = np.concatenate([hashes, mirrored])
    for one, other in _sharing_a_band(both, near + 1):
        bits = np.bitwise_count(both[one] ^ both[other]).sum(1)
        # Two mirror images differ as the faces do; a face and its own mirror image are one face.
        kept = (bits <= near) & (np.minimum(one, other) < faces) & (one % faces != other % faces)
        if kept.any():
            a, b = one[kept], other[kept]
            first, second = np.minimum(a % faces, b % faces), np.maximum(a % faces, b % faces)
            yield NearPairs(first, second, bits[kept].astype(np.int64), (a < faces) != (b < faces))


def near_copies(hashes: Hashes, mirrored: Hashes, near: int = NEAR) -> NearCopies:
    """What :func:`near_pairs` says of each face, without keeping the pairs: those of frames of one video are half the square of their
    number."""
    faces = len(hashes)
    groups = np.arange(faces)
    nearest = 2 * BITS * faces + groups  # twice the bits, and one more in the mirror; times the faces, and the partner's number
    for pairs in near_pairs(hashes, mirrored, near):
        distance = 2 * pairs.bits + pairs.mirrored
        for side, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
            np.minimum.at(nearest, side, distance * faces + other)
        first, second = groups[pairs.first], groups[pairs.second]
        apart = first != second
        if apart.any():
            groups = linked_groups(faces, first[apart], second[apart])[groups]
    distances, partners = np.divmod(nearest, max(faces, 1))
    return NearCopies(groups, partners, distances // 2, distances % 2 == 1)


def find_copies(digests: Sequence[str | None], hashes: Hashes, mirrored: Hashes, usable: NDArray[np.bool_]) -> Copies:
    """The copies among the ``usable`` pictures; of a file that is there more than once only the first is compared with others.

    Args:
        digests: of the N files.
        hashes: ``(N, 4)``, and so is ``mirrored``.
        usable: ``(N,)``.
    """
    files = exact_groups([digest if known else None for digest, known in zip(digests, usable.tolist(), strict=True)])
    again = {row for group in files for row in group[1:]}
    compared = np.array([row for row in np.flatnonzero(usable).tolist() if row not in again], dtype=np.int64)
    near = near_copies(hashes[compared], mirrored[compared])
    group = np.full(len(digests), -1)
    group[compared] = near.group
    for same in files:
        group[same] = group[same[0]]
    return Copies({same[0]: same for same in files}, compared, near, group)


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
    links = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(faces, faces))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)
