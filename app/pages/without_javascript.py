"""The result as a page that needs no JavaScript: overlays drawn by the server, held by the page itself as ``data:`` images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.choices import ColourMap, Scale, Style
from app.detection.find import FaceCrop
from app.drawing.colours import as_data_address, colour_limits, colours, enlarged, is_signed, overlay
from app.explaining.explanation import Explanation, FoundCue
from app.explaining.maps import FLIPPED, ORIGINAL, Picture, logits_per_cell
from app.explaining.pipeline import ExplainedPicture
from app.explaining.sentences import cue_sentence
from app.numbers import share_text
from app.pages.hero import Floors, draw_hero, meter
from model.expressions import EXPRESSIONS
from model.maps.picture import Floats
from model.networks import Grid

SIDE = 120  # pixels of a map on the page
STYLE = Style(ColourMap.SIGNED, opacity=0.8)
VIEWS = ((ORIGINAL, "original"), (FLIPPED, "mirrored"))
OUTLINE = np.array([176, 0, 122], dtype=np.uint8)
OUTLINE_WIDTH = 2  # pixels
CUE_CELLS = 1.5  # half the side of a cue's square, in cells


@dataclass(frozen=True)
class StillMap:
    """One map of the page."""

    name: str
    picture: str
    share: str
    predicted: bool


def still_result(picture: ExplainedPicture, floors: Floors) -> dict[str, Any]:
    """What the template ``still_result.html`` shows: a first look, a grid and the cues of every face."""
    pairs = zip(picture.found.faces, picture.explanations, strict=True)
    return {
        "warnings": picture.warnings,
        "faces": [_face(face, explanations, floors) for face, explanations in pairs],
        "legend": as_data_address(colours(np.linspace(-1.0, 1.0, 256)[None, :].repeat(12, axis=0), 1.0, STYLE.colour_map)),
    }


def _face(face: FaceCrop, explanations: dict[str, Explanation], floors: Floors) -> dict[str, Any]:
    models = list(explanations.items())
    cells = [logits_per_cell(explanation.maps.maps) for _, explanation in models]
    limits = colour_limits(cells, Scale.MODEL, is_signed(STYLE.colour_map))
    minor = [name for name in EXPRESSIONS if any(name in explanation.maps.minor_classes for _, explanation in models)]
    return {
        "hero": draw_hero(face.grey, explanations, floors, STYLE),
        "pictures": [as_data_address(enlarged(view, SIDE)) for view in _views(face.grey)],
        "models": [_model(name, said, face.grey, limit, floors) for (name, said), limit in zip(models, limits, strict=True)],
        "cues": [{"name": name, "models": [_cue(model, said, name, face.grey) for model, said in models]} for name in minor],
        "minor_classes": minor,
    }


def _model(name: str, explanation: Explanation, grey: Picture, limits: Floats, floors: Floors) -> dict[str, Any]:
    maps = explanation.maps
    cells, probabilities = logits_per_cell(maps.maps), maps.probabilities
    rows = []
    for view, title in VIEWS:
        predicted = int(probabilities[view].argmax())
        shown = [
            StillMap(
                expression,
                as_data_address(overlay(_views(grey)[view], cells[view, index], maps.grid, float(limits[view, index]), STYLE, SIDE)),
                share_text(float(probabilities[view, index])),
                index == predicted,
            )
            for index, expression in enumerate(EXPRESSIONS)
        ]
        rows.append({"view": title, "maps": shown})
    return {
        "name": name,
        "checkpoint": maps.checkpoint,
        "map_kind": maps.map_kind,
        "rows": rows,
        "meters": [meter(explanation, expression, floors) for expression in EXPRESSIONS],
        "limit": f"{float(limits.max()):.2f}",
    }


def _cue(name: str, explanation: Explanation, expression: str, grey: Picture) -> dict[str, Any] | None:
    cue = next((cue for cue in explanation.cues if cue.expression == expression), None)
    if cue is None:
        return None
    share = float(explanation.maps.probabilities[ORIGINAL, EXPRESSIONS.index(expression)])
    return {
        "name": name,
        "share": share,
        "text": share_text(share),
        "sentence": cue_sentence(name, cue, explanation.maps),
        "picture": as_data_address(_spot(explanation, cue, grey)),
    }


def _spot(explanation: Explanation, cue: FoundCue, grey: Picture) -> Picture:
    """The map of a cue's class over the face, the 3x3 cells around its peak in a frame."""
    maps = explanation.maps
    cells = logits_per_cell(maps.maps[ORIGINAL, EXPRESSIONS.index(cue.expression)])
    picture = overlay(grey, cells, maps.grid, float(np.abs(cells).max()), STYLE, SIDE)
    return picture if cue.peak is None else _outlined(picture, cue.peak, maps.grid)


def _outlined(picture: Picture, peak: Sequence[int], grid: Grid) -> Picture:
    """The 3x3 cells around a peak in a frame."""
    middle = [grid.share(cell) * SIDE for cell in peak]
    reach = CUE_CELLS * grid.step * SIDE / grid.input
    (top, bottom), (left, right) = ((int(max(m - reach, 0)), int(min(m + reach, SIDE))) for m in middle)
    framed = picture.copy()
    framed[top:bottom, left:right] = OUTLINE
    inner = (slice(top + OUTLINE_WIDTH, bottom - OUTLINE_WIDTH), slice(left + OUTLINE_WIDTH, right - OUTLINE_WIDTH))
    framed[inner] = picture[inner]
    return framed


def _views(grey: Picture) -> tuple[Picture, Picture]:
    return grey, np.ascontiguousarray(grey[:, ::-1])
