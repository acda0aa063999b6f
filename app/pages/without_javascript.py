"""The result as a page that needs no JavaScript: overlays drawn by the server, held by the page itself as ``data:`` images."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.choices import Scale, Style
from app.detection.find import FaceCrop
from app.drawing.colours import as_webp, colour_limits, colours, enlarged, overlay
from app.explaining.explainer import Cue, Explanation
from app.explaining.maps import FLIPPED, ORIGINAL, Picture, logits_per_cell
from app.explaining.pipeline import ExplainedPicture
from app.pages.numbers import decimal, share_text
from model.expressions import EXPRESSIONS
from model.maps.picture import Floats
from model.networks import Grid

SIDE = 120  # pixels of a map on the page
CORRELATION_DIGITS = 2
STYLE = Style(opacity=0.55)
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


def still_result(picture: ExplainedPicture, floors: Mapping[str, float | None]) -> dict[str, Any]:
    """What the template ``still_result.html`` shows: a grid and the cues of every face.

    Args:
        floors: :func:`app.explaining.mirror_floor.mirror_floor` by checkpoint.
    """
    pairs = zip(picture.found.faces, picture.explanations, strict=True)
    return {
        "warnings": picture.warnings,
        "faces": [_face(face, explanations, floors) for face, explanations in pairs],
        "legend": _data_address(colours(np.linspace(0.0, 1.0, 256)[None, :].repeat(12, axis=0), 1.0, STYLE.colour_map)),
    }


def cue_sentence(name: str, cue: Cue, score: float, share: float) -> str:
    """What a model finds for a minor class, and what becomes of it, in the explorer's own wording.

    Args:
        score: logit of the class for the whole face, against the average class.
        share: its probability.
    """
    if cue.place is None:
        return f"{name} finds no evidence of {cue.expression}."
    mirror = "and at the same place in the mirror image" if cue.mirror_agrees else "but not at the same place in the mirror image"
    digits = 2 if cue.evidence < 0.1 else 1
    found = f"{name} finds {cue.evidence:.{digits}f} logits of evidence of {cue.expression} at the {cue.place}, {mirror}."
    return f"{found} The whole face scores {decimal(score, 1)}, a probability of {share_text(share)}."


def _face(face: FaceCrop, explanations: dict[str, Explanation], floors: Mapping[str, float | None]) -> dict[str, Any]:
    models = list(explanations.items())
    cells = [logits_per_cell(explanation.maps.maps) for _, explanation in models]
    limits = colour_limits(cells, Scale.MODEL, signed=False)
    minor = [name for name in EXPRESSIONS if any(name in explanation.maps.minor_classes for _, explanation in models)]
    return {
        "pictures": [_data_address(enlarged(view, SIDE)) for view in _views(face.grey)],
        "models": [
            _model(name, said, face.grey, limit) | {"floor": _floor(floors.get(said.maps.checkpoint))}
            for (name, said), limit in zip(models, limits, strict=True)
        ],
        "cues": [{"name": name, "models": [_cue(model, said, name, face.grey) for model, said in models]} for name in minor],
        "minor_classes": minor,
    }


def _model(name: str, explanation: Explanation, grey: Picture, limits: Floats) -> dict[str, Any]:
    maps = explanation.maps
    cells, probabilities = logits_per_cell(maps.maps), maps.probabilities
    rows = []
    for view, title in VIEWS:
        predicted = int(probabilities[view].argmax())
        shown = [
            StillMap(
                expression,
                _data_address(overlay(_views(grey)[view], cells[view, index], maps.grid, float(limits[view, index]), STYLE, SIDE)),
                share_text(float(probabilities[view, index])),
                index == predicted,
            )
            for index, expression in enumerate(EXPRESSIONS)
        ]
        rows.append({"view": title, "maps": shown, "answer": EXPRESSIONS[predicted], "share": shown[predicted].share})
    agreement = [explanation.consistency[expression].pearson for expression in EXPRESSIONS]
    return {
        "name": name,
        "checkpoint": maps.checkpoint,
        "rows": rows,
        "agreement": [decimal(value, CORRELATION_DIGITS) for value in agreement],
        "limit": f"{float(limits.max()):.2f}",
    }


def _floor(value: float | None) -> str | None:
    return None if value is None else decimal(value, CORRELATION_DIGITS)


def _cue(name: str, explanation: Explanation, expression: str, grey: Picture) -> dict[str, str] | None:
    cue = next((cue for cue in explanation.cues if cue.expression == expression), None)
    if cue is None:
        return None
    picture = enlarged(grey, SIDE)
    if cue.peak is not None:
        picture = _outlined(picture, cue.peak, explanation.maps.grid)
    index = EXPRESSIONS.index(expression)
    score, share = (float(values[ORIGINAL, index]) for values in (explanation.maps.logits, explanation.maps.probabilities))
    return {"sentence": cue_sentence(name, cue, score, share), "picture": _data_address(picture)}


def _outlined(picture: Picture, peak: Sequence[int], grid: Grid) -> Picture:
    """The 3x3 cells around a peak in a frame."""
    unit = SIDE / grid.input
    middle = [(grid.first + grid.step * cell + 0.5) * unit for cell in peak]
    reach = CUE_CELLS * grid.step * unit
    (top, bottom), (left, right) = ((int(max(m - reach, 0)), int(min(m + reach, SIDE))) for m in middle)
    framed = picture.copy()
    framed[top:bottom, left:right] = OUTLINE
    inner = (slice(top + OUTLINE_WIDTH, bottom - OUTLINE_WIDTH), slice(left + OUTLINE_WIDTH, right - OUTLINE_WIDTH))
    framed[inner] = picture[inner]
    return framed


def _views(grey: Picture) -> tuple[Picture, Picture]:
    return grey, np.ascontiguousarray(grey[:, ::-1])


def _data_address(picture: Picture) -> str:
    return "data:image/webp;base64," + base64.b64encode(as_webp(picture)).decode()
