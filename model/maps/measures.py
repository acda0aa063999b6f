"""What two views of a face say of its attention maps: pure functions on maps, the formulas of the project's measurements.

Maps are ``(..., h, w)``; leading dimensions are faces and classes. Undefined values are NaN here and null in every answer.
``mapped_back`` is always the mirrored face's maps turned back (:func:`flip_back`), so that cell (i, j) of both sees the same place.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

FLAT = 1e-6  # a map that varies by less than this standard deviation has no correlation
RETRIEVAL_FACES = 100  # whose mirror images a map is looked for among
TOP_SHARE = 0.2  # part of the cells that count as a map's hottest
CONCENTRATED = 2 / 3  # of a map's evidence lies around its peak: then its place has a name; of 5x5 even cells at most 9/25 would


def flip_back(mirrored: Tensor) -> Tensor:
    """Maps of a mirrored face in the coordinates of the face as given: ``M~ = hflip(M')``."""
    return mirrored.flip(-1)


def spread(maps: Tensor) -> Tensor:
    """Standard deviation over the cells of each map (the sum divided by their number), ``(...)`` float64."""
    return maps.double().flatten(-2).std(-1, correction=0)


def flip_consistency(maps: Tensor, mapped_back: Tensor) -> Tensor:
    """Pearson correlation over the cells of a map and its mapped-back mirror counterpart, ``(...)``; NaN where either is flat."""
    a = (maps - maps.mean((-2, -1), keepdim=True)).flatten(-2).double()
    b = (mapped_back - mapped_back.mean((-2, -1), keepdim=True)).flatten(-2).double()
    spread_a, spread_b = a.square().mean(-1).sqrt(), b.square().mean(-1).sqrt()
    correlation = (a * b).mean(-1) / (spread_a * spread_b)
    return torch.where((spread_a < FLAT) | (spread_b < FLAT), torch.nan, correlation.clamp(-1, 1)).float()


def own_symmetry(maps: Tensor) -> Tensor:
    """Pearson correlation of a map with its own mirror image, ``(...)``; NaN where it is flat.

    A map that is symmetric agrees with any mirror: flip consistency is read beside this.
    """
    return flip_consistency(maps, maps.flip(-1))


def own_mirror_found(maps: Tensor, mapped_back: Tensor, among: int = RETRIEVAL_FACES) -> Tensor:
    """Whether a map's nearest map among the mirror images of ``among`` faces, same class, is its own: 1 or 0, ``(N, L)``; NaN where flat.

    Nearest is by the cosine of maps ``(N, L, h, w)`` centred over the cells. Faces are taken in their order, ``among`` at a time; the last
    ones among the last ``among`` of all. Chance is ``1 / among``.
    """
    seen, mirrored = _directions(maps), _directions(mapped_back)  # (L, N, h w)
    found = torch.empty(seen.shape[:2])
    for start in range(0, len(maps), among):
        first = max(0, min(start, len(maps) - among))
        block = slice(first, first + among)
        nearest = (seen[:, start : start + among] @ mirrored[:, block].transpose(1, 2)).argmax(2)
        own = torch.arange(start, start + nearest.shape[1]) - first
        found[:, start : start + among] = (nearest == own).float()
    return torch.where(spread(maps) < FLAT, torch.nan, found.T)


def _directions(maps: Tensor) -> Tensor:
    """Maps ``(N, L, h, w)``, centred over the cells and of unit length, as ``(L, N, h w)``."""
    flat = maps.flatten(2).transpose(0, 1)
    return F.normalize(flat - flat.mean(2, keepdim=True), dim=2)


def total_variation(probabilities: Tensor, mirrored: Tensor) -> Tensor:
    """Half the sum over the classes of ``|p - p'|``, ``(...)`` for ``(..., L)``: 0 where two views have the same answer, at most 1."""
    return (probabilities - mirrored).abs().sum(-1) / 2


def paper_flip_error(maps: Tensor, mapped_back: Tensor) -> Tensor:
    """Mean over the cells of ``(M - M~)^2``, ``(...)``: what the paper's consistency loss, that of EAC (Zhang et al. 2022), makes small.

    It falls when maps merely shrink; :func:`relative_flip_error` does not. The paper's own number needs maps in the trained gauge.
    """
    return (maps - mapped_back).square().mean((-2, -1))


def relative_flip_error(maps: Tensor, mapped_back: Tensor) -> Tensor:
    """The paper's error divided by the mean variance of the two maps, ``(...)``.

    2 (1 - r) for maps of equal mean and variance with correlation r; NaN where both maps are flat.
    """
    variance = (spread(maps).square() + spread(mapped_back).square()) / 2
    error = (maps.double() - mapped_back.double()).square().mean((-2, -1))
    return torch.where(variance < FLAT**2, torch.nan, error / variance).float()


def top_cells(maps: Tensor) -> Tensor:
    """Which cells are among the top ``ceil(0.2 h w)`` of their map, bool ``(..., h, w)``; of equal cells the first ones count."""
    flat = maps.flatten(-2)
    count = math.ceil(TOP_SHARE * flat.shape[-1])
    hottest = flat.sort(dim=-1, descending=True, stable=True).indices[..., :count]
    return torch.zeros_like(flat, dtype=torch.bool).scatter(-1, hottest, True).view(maps.shape)


def top_cells_iou(maps: Tensor, mapped_back: Tensor) -> Tensor:
    """Intersection over union of the two maps' top cells, ``(...)``; NaN where either map is flat and has no hottest cells."""
    a, b = top_cells(maps), top_cells(mapped_back)
    iou = (a & b).sum((-2, -1)) / (a | b).sum((-2, -1))
    return torch.where((spread(maps) < FLAT) | (spread(mapped_back) < FLAT), torch.nan, iou)


def overlap(maps: Tensor) -> Tensor:
    """Histogram intersection of the positive parts of every two classes' maps, each scaled to sum 1.

    Args:
        maps: ``(..., L, h, w)``.

    Returns:
        ``(..., L, L)`` in 0..1, symmetric; NaN where one of the two maps has no positive cell.
    """
    return _intersections(maps.clamp_min(0))


def minmax_overlap(maps: Tensor) -> Tensor:
    """As :func:`overlap`, of the maps min-max scaled as the paper's figures draw them; NaN where one of the two maps is flat."""
    lowest = maps.amin((-2, -1), keepdim=True)
    masses = torch.where((spread(maps) < FLAT)[..., None, None], 0.0, maps - lowest)  # the scale itself cancels
    return _intersections(masses)


def _intersections(masses: Tensor) -> Tensor:
    flat = masses.flatten(-2)
    shares = flat / flat.sum(-1, keepdim=True)  # 0 / 0 is NaN where there is no mass
    # one class against all at a time: the array of all pairs would be L times larger
    rows = [torch.minimum(shares[..., [k], :], shares).sum(-1) for k in range(shares.shape[-2])]
    return torch.stack(rows, -2)


def periphery_share(maps: Tensor, area: Tensor, outside: Tensor) -> Tensor:
    """Part of a map's positive mass outside the inner face, minus the part that a uniform map would have there, ``(...)``.

    Above 0 the map prefers the periphery. NaN where the map has no positive cell.

    Args:
        maps: ``(..., h, w)``.
        area: ``(h, w)`` area that each cell stands for.
        outside: ``(h, w)`` part of that area outside the inner face, 0..1 (both from :func:`model.maps.inner_face.inner_face_cover`).
    """
    mass = maps.double().clamp_min(0) * area
    uniform = (area * outside).sum() / area.sum()
    return ((mass * outside).sum((-2, -1)) / mass.sum((-2, -1)) - uniform).float()


class Cues(NamedTuple):
    """Where each map peaks and how much evidence lies there.

    ``found`` (...) bool: the map has a positive cell; where it has none the other values mean nothing. ``peak`` (..., 2): row and column of
    the highest cell. ``evidence`` (...): sum of the positive ``M / (h w)`` in the 3x3 cells around the peak, in logits; 0 where nothing
    is found. ``share`` (...): that sum over the same sum of all cells, 0..1; 0 where nothing is found. ``mirror_agrees`` (...) bool: both
    views have a positive cell and their peaks are at most one cell apart, diagonals included.
    """

    found: Tensor
    peak: Tensor
    evidence: Tensor
    share: Tensor
    mirror_agrees: Tensor


def find_cues(maps: Tensor, mapped_back: Tensor) -> Cues:
    """The cues of maps ``(..., h, w)`` of a face, checked against those of its mirror image."""
    found, found_mirrored = maps.amax((-2, -1)) > 0, mapped_back.amax((-2, -1)) > 0
    peak, peak_mirrored = _peak(maps), _peak(mapped_back)
    height, width = maps.shape[-2:]
    positive = maps.clamp_min(0).reshape(-1, 1, height, width)
    around = F.avg_pool2d(positive, 3, 1, padding=1, divisor_override=1).view(maps.shape) / (height * width)
    evidence = around.flatten(-2).gather(-1, (peak[..., 0] * width + peak[..., 1]).unsqueeze(-1)).squeeze(-1)
    near = (peak - peak_mirrored).abs().amax(-1) <= 1
    whole = positive.view(maps.shape).sum((-2, -1)) / (height * width)
    share = torch.where(found, evidence / whole, 0.0).clamp_max(1.0)
    return Cues(found, peak, evidence * found, share, found & found_mirrored & near)


def _peak(maps: Tensor) -> Tensor:
    position = maps.flatten(-2).argmax(-1)
    return torch.stack([position // maps.shape[-1], position % maps.shape[-1]], -1)
