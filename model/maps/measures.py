"""What two views of a face say of its attention maps: pure functions on maps, the formulas of the project's measurements.

Maps are ``(..., h, w)``; leading dimensions are faces and classes. Undefined values are NaN here and null in every answer.
``mapped_back`` is always the mirrored face's maps flipped back (:func:`flip_back`), so that cell (i, j) of both sees the same place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.floating[Any]]
Values = TypeVar("Values", Floats, "Tensor")

CELLS = (-2, -1)  # the axes of a map
FLAT = 1e-6  # a map that varies by less than this standard deviation has no correlation
RETRIEVAL_FACES = 100  # whose mirror images a map is looked for among
TOP_SHARE = 0.2  # part of the cells that count as a map's hottest
CONCENTRATED = 2 / 3  # of a map's evidence lies around its peak: then its place has a name; of 5x5 even cells at most 9/25 would


def centred(values: Values, axis: int = 1) -> Values:
    """Values of the classes against the average class: the gauge in which maps, logits and biases of two models compare.

    Softmax does not see a vector added to every row of the classifier weight; subtracting the mean over classes removes that freedom.

    Args:
        values: any array or tensor with the classes along ``axis``: logits ``(N, L)``, maps ``(N, L, h, w)``, or a bias with ``axis=0``.
    """
    mean: Values = values.mean(axis, keepdims=True)  # type: ignore[call-overload]
    return values - mean


def flip_back(mirrored: Floats) -> Floats:
    """Maps of a mirrored face in the coordinates of the face as given: ``M~ = hflip(M')``."""
    return mirrored[..., ::-1].copy()  # also of one column, whose reversed view is contiguous to NumPy and refused by PyTorch


def spread(maps: Floats) -> NDArray[np.float64]:
    """Standard deviation over the cells of each map (the sum divided by their number), ``(...)``."""
    return np.asarray(maps.std(CELLS, dtype=np.float64))


def flip_consistency(maps: Floats, mapped_back: Floats) -> Floats:
    """Pearson correlation over the cells of a map and its mapped-back mirror counterpart, ``(...)``; NaN where either is flat."""
    a, b = (values - values.mean(CELLS, keepdims=True) for values in (maps.astype(np.float64), mapped_back.astype(np.float64)))
    spread_a, spread_b = (np.sqrt(np.square(values).mean(CELLS)) for values in (a, b))
    flat = (spread_a < FLAT) | (spread_b < FLAT)
    correlation = (a * b).mean(CELLS) / np.where(flat, 1.0, spread_a * spread_b)
    return np.where(flat, np.nan, correlation.clip(-1.0, 1.0))


def own_symmetry(maps: Floats) -> Floats:
    """Pearson correlation of a map with its own mirror image, ``(...)``; NaN where it is flat.

    A map that is symmetric agrees with any mirror: flip consistency is read beside this.
    """
    return flip_consistency(maps, flip_back(maps))


def own_mirror_found(maps: Floats, mapped_back: Floats, among: int = RETRIEVAL_FACES) -> Floats:
    """Whether a map's nearest map among the mirror images of ``among`` faces, same class, is its own: 1 or 0, ``(N, L)``; NaN where flat.

    Nearest is by the cosine of maps ``(N, L, h, w)`` centred over the cells. Faces are taken in their order, ``among`` at a time; the last
    ones among the last ``among`` of all. Chance is ``1 / among``.
    """
    seen, mirrored = _directions(maps), _directions(mapped_back)  # (L, N, h w)
    found = np.empty(seen.shape[:2])
    for start in range(0, len(maps), among):
        first = max(0, min(start, len(maps) - among))
        nearest = (seen[:, start : start + among] @ mirrored[:, first : first + among].swapaxes(1, 2)).argmax(2)
        own = np.arange(start, start + nearest.shape[1]) - first
        found[:, start : start + among] = nearest == own
    return np.where(spread(maps) < FLAT, np.nan, found.T)


def _directions(maps: Floats) -> Floats:
    """Maps ``(N, L, h, w)``, centred over the cells and of unit length, as ``(L, N, h w)``."""
    flat = maps.reshape(*maps.shape[:2], -1).swapaxes(0, 1)
    deviations = flat - flat.mean(2, keepdims=True)
    return np.asarray(deviations / np.maximum(np.linalg.norm(deviations, axis=2, keepdims=True), 1e-12))


def total_variation(probabilities: Floats, mirrored: Floats) -> Floats:
    """Half the sum over the classes of ``|p - p'|``, ``(...)`` for ``(..., L)``: 0 where two views have the same answer, at most 1."""
    return np.asarray(np.abs(probabilities - mirrored).sum(-1) / 2)


def paper_flip_error(maps: Values, mapped_back: Values) -> Values:
    """Mean over the cells of ``(M - M~)^2``, ``(...)``: what the paper's consistency loss, that of EAC (Zhang et al. 2022), makes small.

    It falls when maps merely shrink; :func:`relative_flip_error` does not. The paper's own number needs maps in the trained gauge. Takes
    arrays, and tensors for the loss.
    """
    error: Values = ((maps - mapped_back) ** 2).mean(CELLS)
    return error


def relative_flip_error(maps: Floats, mapped_back: Floats) -> Floats:
    """The paper's error divided by the mean variance of the two maps, ``(...)``.

    2 (1 - r) for maps of equal mean and variance with correlation r; NaN where both maps are flat.
    """
    variance = (np.square(spread(maps)) + np.square(spread(mapped_back))) / 2
    error = paper_flip_error(maps.astype(np.float64), mapped_back.astype(np.float64))
    flat = variance < FLAT**2
    return np.where(flat, np.nan, error / np.where(flat, 1.0, variance))


def top_cells(maps: Floats) -> NDArray[np.bool_]:
    """Which cells are among the top ``ceil(0.2 h w)`` of their map, ``(..., h, w)``; of equal cells the first ones count."""
    flat = maps.reshape(*maps.shape[:-2], -1)
    count = math.ceil(TOP_SHARE * flat.shape[-1])
    hottest = np.argsort(-flat, axis=-1, kind="stable")[..., :count]
    chosen = np.zeros(flat.shape, dtype=bool)
    np.put_along_axis(chosen, hottest, True, axis=-1)
    return chosen.reshape(maps.shape)


def top_cells_iou(maps: Floats, mapped_back: Floats) -> Floats:
    """Intersection over union of the two maps' top cells, ``(...)``; NaN where either map is flat and has no hottest cells."""
    a, b = top_cells(maps), top_cells(mapped_back)
    iou = (a & b).sum(CELLS) / (a | b).sum(CELLS)
    return np.where((spread(maps) < FLAT) | (spread(mapped_back) < FLAT), np.nan, iou)


def overlap(maps: Floats) -> Floats:
    """Histogram intersection of the positive parts of every two classes' maps, each scaled to sum 1.

    Args:
        maps: ``(..., L, h, w)``.

    Returns:
        ``(..., L, L)`` in 0..1, symmetric; NaN where one of the two maps has no positive cell.
    """
    return _intersections(np.maximum(maps, 0))


def minmax_overlap(maps: Floats) -> Floats:
    """As :func:`overlap`, of the maps min-max scaled as the paper's figures draw them; NaN where one of the two maps is flat."""
    flat = (spread(maps) < FLAT)[..., None, None]
    return _intersections(np.where(flat, 0.0, maps - maps.min(CELLS, keepdims=True)))  # the scale itself cancels


def _intersections(masses: Floats) -> Floats:
    flat = masses.reshape(*masses.shape[:-2], -1)
    shares = ratio(flat, flat.sum(-1, keepdims=True))
    # one class against all at a time: the array of all pairs would be L times larger
    rows = [np.minimum(shares[..., [k], :], shares).sum(-1) for k in range(shares.shape[-2])]
    return np.stack(rows, -2)


def ratio(part: Floats, whole: Floats) -> NDArray[Any]:
    """``part / whole``; NaN where the whole is 0."""
    return np.asarray(part / np.where(whole == 0, np.nan, whole))


def mass_share(maps: Floats, inside: NDArray[Any]) -> NDArray[Any]:
    """Part of each map's positive mass ``(..., h, w)`` that lies inside, ``(...)``, 0 to 1; NaN for a map without any.

    Args:
        inside: ``(h, w)``, the part of each cell that is inside, 0..1.
    """
    mass = np.maximum(maps, 0.0)
    return ratio((mass * inside).sum(CELLS), mass.sum(CELLS))


def periphery_share(maps: Floats, area: Floats, outside: Floats) -> Floats:
    """Part of a map's positive mass outside the inner face, minus the part that a uniform map would have there, ``(...)``.

    Above 0 the map prefers the periphery. NaN where the map has no positive cell.

    Args:
        maps: ``(..., h, w)``.
        area: ``(h, w)`` area that each cell stands for.
        outside: ``(h, w)`` part of that area outside the inner face, 0..1 (both from :func:`model.maps.inner_face.inner_face_cover`).
    """
    uniform = (area * outside).sum() / area.sum()
    return np.asarray(mass_share(maps * area, outside) - uniform)


class Cues(NamedTuple):
    """Where each map peaks and how much evidence lies there.

    ``found`` (...) bool: the map has a positive cell; where it has none the other values mean nothing. ``peak`` (..., 2): row and column of
    the highest cell. ``evidence`` (...): sum of the positive ``M / (h w)`` in the 3x3 cells around the peak, in logits; 0 where nothing
    is found. ``share`` (...): that sum over the same sum of all cells, 0..1; 0 where nothing is found. ``mirror_agrees`` (...) bool: both
    views have a positive cell and their peaks are at most one cell apart, diagonals included.
    """

    found: NDArray[np.bool_]
    peak: NDArray[np.intp]
    evidence: Floats
    share: Floats
    mirror_agrees: NDArray[np.bool_]


def find_cues(maps: Floats, mapped_back: Floats) -> Cues:
    """The cues of maps ``(..., h, w)`` of a face, checked against those of its mirror image."""
    found, found_mirrored = maps.max(CELLS) > 0, mapped_back.max(CELLS) > 0
    peak, peak_mirrored = _peak(maps), _peak(mapped_back)
    height, width = maps.shape[-2:]
    positive = np.maximum(maps, 0) / (height * width)
    rows, columns = np.arange(height), np.arange(width)
    near_row = np.abs(rows - peak[..., :1]) <= 1  # (..., h)
    near_column = np.abs(columns - peak[..., 1:]) <= 1
    evidence = np.asarray((positive * near_row[..., :, None] * near_column[..., None, :]).sum(CELLS))
    share = np.where(found, evidence / np.where(found, positive.sum(CELLS), 1.0), 0.0).clip(max=1.0)
    near = np.abs(peak - peak_mirrored).max(-1) <= 1
    return Cues(np.asarray(found), peak, evidence * found, share, np.asarray(found & found_mirrored & near))


def _peak(maps: Floats) -> NDArray[np.intp]:
    position = maps.reshape(*maps.shape[:-2], -1).argmax(-1)
    return np.stack(np.unravel_index(position, maps.shape[-2:]), -1)
