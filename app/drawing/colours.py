"""Attention maps as colours on a face: colour maps, scales, blending and encoding.

Colour is presentation only: every number of this project is computed on the raw maps. Three rules keep pictures comparable. A map is
placed by the centres of its cells and never stretched to the edges; one limit serves all maps of a model unless asked otherwise, so a
class without evidence looks empty; and nothing is cut off or rescaled after placing: where only positive values are shown, the cells are
cut at zero first, since a cut through interpolated values draws edges that no cell has.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray

from app.choices import ColourMap, Scale, Style
from app.explaining.maps import Picture
from model.maps.picture import Floats, place_cells
from model.networks import Grid

WEBP_QUALITY = 90  # of 100


SIGNED = frozenset({ColourMap.SIGNED, ColourMap.DISCS})
_MATPLOTLIB_NAMES = {
    ColourMap.SIGNED: "coolwarm",
    ColourMap.DISCS: "coolwarm",
    ColourMap.VIRIDIS: "viridis",
    ColourMap.INFERNO: "inferno",
    ColourMap.JET: "jet",
}


@cache
def colour_table(colour_map: ColourMap) -> Picture:
    """The 256 colours of a colour map, ``(256, 3)`` uint8 RGB, read-only; a signed map has its zero between rows 127 and 128.

    A disc tells a value by its area, and by its colour the sign alone: two colours.
    """
    shares = np.linspace(0.0, 1.0, 256)
    rows = matplotlib.colormaps[_MATPLOTLIB_NAMES[colour_map]](np.rint(shares) if colour_map == ColourMap.DISCS else shares)
    table = np.rint(np.asarray(rows)[:, :3] * 255.0).astype(np.uint8)
    table.flags.writeable = False
    return table


def is_signed(colour_map: ColourMap) -> bool:
    """Whether a colour map shows negative values too (from ``-limit`` to ``limit`` instead of from 0 to ``limit``)."""
    return colour_map in SIGNED


def colour_limits(models: Sequence[Floats], scale: Scale, signed: bool) -> list[NDArray[np.float64]]:
    """The value that gets the last colour, for every map of every model.

    Args:
        models: one array ``(..., h, w)`` a model; the leading axes (faces, views, classes) may differ between models.
        scale: which maps share a limit.
        signed: whether negative values count by their size; otherwise only positive ones do.

    Returns:
        One array a model, shaped as its leading axes; 0 where the maps that share the limit hold no evidence.
    """
    peaks = [np.maximum((np.abs(maps) if signed else maps).max(axis=(-2, -1)), 0.0).astype(np.float64) for maps in models]
    if scale is Scale.MAP:
        return peaks
    highest = [float(peak.max()) for peak in peaks]
    if scale is Scale.ALL:
        highest = [max(highest)] * len(highest)
    return [np.full(peak.shape, value) for peak, value in zip(peaks, highest, strict=True)]


def colours(values: Floats, limit: float, colour_map: ColourMap) -> Picture:
    """Values as colours; values beyond the limits get the end colours.

    Args:
        values: any shape.
        limit: the value of the last colour; the first is 0, or ``-limit`` for a signed map. At 0 every value is drawn as zero.

    Returns:
        uint8 RGB, the shape of ``values`` and a last axis of 3.
    """
    share = np.clip(values / limit, -1.0, 1.0) if limit > 0.0 else np.zeros_like(values)
    if is_signed(colour_map):
        share = (share + 1.0) / 2.0
    return np.asarray(colour_table(colour_map)[np.floor(np.clip(share, 0.0, 1.0) * 255.0 + 0.5).astype(np.intp)])


def overlay(face: Picture, cells: Floats, grid: Grid, limit: float, style: Style, side: int) -> Picture:
    """One attention map over its face.

    The map is first placed, then coloured. With a signed colour map the colour covers the face by its share of the limit, so that zero is
    the face itself; with any other it covers every pixel alike.

    Args:
        face: square picture, grey ``(H, H)`` or RGB ``(H, H, 3)``, uint8: the network's crop in the map's orientation.
        cells: ``(h, w)`` values of the map.
        grid: where the cells lie on the network's input.
        limit: see :func:`colours`.
        style: its colour map and opacity are used.
        side: side of the result in pixels.

    Returns:
        ``(side, side, 3)`` uint8 RGB.
    """
    cells = np.clip(cells, -limit, limit)  # the difference of two maps may be twice their limit
    if style.colour_map is ColourMap.DISCS:
        placed, limit = disc_cover(cells, grid, limit, side), 1.0
    else:
        placed = place_cells(cells if is_signed(style.colour_map) else np.maximum(cells, 0.0), grid, side)
    colour = colours(placed, limit, style.colour_map)
    cover: Floats = np.full((side, side), style.opacity)
    if is_signed(style.colour_map):
        cover *= np.abs(placed) / limit if limit > 0.0 else 0.0
    mixed = (1.0 - cover[..., None]) * enlarged(face, side) + cover[..., None] * colour
    return np.rint(mixed).astype(np.uint8)


def disc_cover(cells: Floats, grid: Grid, limit: float, side: int) -> NDArray[np.float64]:
    """A map as one disc a cell, at the cell's centre: how much of each pixel a disc covers, negative for a negative value.

    A disc's area is the size of the cell's value; at the limit it is as wide as the cells are apart.

    Args:
        cells: ``(h, w)``.

    Returns:
        ``(side, side)``, -1..1.
    """
    position = grid.positions(side)
    row, column = (np.clip(np.rint(position), 0, count - 1).astype(np.intp) for count in cells.shape)
    distance = np.hypot((position - row)[:, None], (position - column)[None, :])  # in steps
    values = cells[np.ix_(row, column)]
    radius = np.sqrt(np.abs(values) / limit) / 2.0 if limit > 0.0 else np.zeros_like(values)
    edge = grid.step * side / grid.input  # pixels a step: a disc's edge is one pixel wide
    return np.asarray(np.sign(values) * np.clip((radius - distance) * edge + 0.5, 0.0, 1.0) * (radius > 0.0))


def enlarged(face: Picture, side: int) -> Picture:
    """A grey ``(H, H)`` or RGB ``(H, H, 3)`` face as RGB ``(side, side, 3)`` uint8, interpolated as the network's input is."""
    picture = face if face.ndim == 3 else np.repeat(face[:, :, None], 3, axis=2)
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def as_data_address(picture: Picture) -> str:
    """An RGB picture ``(H, W, 3)`` uint8 as an address that holds it, lossy."""
    return "data:image/webp;base64," + base64.b64encode(as_webp(picture)).decode()


def as_webp(picture: Picture) -> bytes:
    """An RGB picture ``(H, W, 3)`` uint8 as a lossy WebP file."""
    _, encoded = cv2.imencode(".webp", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])
    return encoded.tobytes()
