"""The first look at a face: what each model answers, and of one expression its map, the mirror's flipped back, and their difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.choices import Style
from app.drawing.colours import as_data_address, overlay
from app.explaining.explanation import Explanation
from app.explaining.maps import FLIPPED, ORIGINAL, Picture, logits_per_cell
from app.explaining.sentences import most_changed, summary
from app.numbers import decimal, share_text
from model.expressions import EXPRESSIONS
from model.maps.picture import Floats

SIDE = 200  # pixels of a map
CORRELATION_DIGITS = 2
Floors = Mapping[str, float | None]  # by checkpoint, see app.explaining.mirror_floor


@dataclass(frozen=True)
class Meter:
    """Flip consistency of a class's map, and the two numbers it is to be read beside; as shares 0..1 of a bar, and in words."""

    consistency: float
    floor: float | None
    own_symmetry: float | None
    text: str
    floor_text: str
    own_text: str


@dataclass(frozen=True)
class HeroRow:
    """What one model says of the face: its maps as addresses of pictures, and the numbers beside them."""

    name: str
    checkpoint: str
    answer: str
    answer_flipped: str
    share: str
    share_flipped: str
    same_answer: bool
    total_variation: str
    original: str
    mapped_back: str
    difference: str
    meter: Meter


@dataclass(frozen=True)
class Hero:
    """The first look at a face."""

    sentences: list[str]
    expression: str
    limit: str
    rows: list[HeroRow]


def draw_hero(grey: Picture, explanations: Mapping[str, Explanation], floors: Floors, style: Style, expression: str = "") -> Hero:
    """The first look at a face, its pictures drawn.

    Args:
        grey: the face as the networks saw it.
        explanations: by the names asked for.
        floors: by checkpoint.
        style: colours and opacity; a model's maps here share one limit.
        expression: shown; without one, that whose probability changes most in the mirror.
    """
    expression = expression or most_changed(explanations)
    index = EXPRESSIONS.index(expression)
    cells = {name: logits_per_cell(explanation.maps.maps[:, index]) for name, explanation in explanations.items()}
    limits = {name: float(np.abs(maps).max()) for name, maps in cells.items()}
    rows = [_row(name, explanation, cells[name], grey, limits[name], floors, style, index) for name, explanation in explanations.items()]
    limit = ", ".join(f"{limit:.2f} ({name})" for name, limit in limits.items())
    return Hero(summary(explanations), expression, limit, rows)


def meter(explanation: Explanation, expression: str, floors: Floors) -> Meter:
    """The bar of a class."""
    consistency = explanation.consistency[expression]
    floor = floors.get(explanation.maps.checkpoint)
    return Meter(
        _on_bar(consistency.pearson) or 0.0,
        _on_bar(floor),
        _on_bar(consistency.own_symmetry),
        decimal(consistency.pearson, CORRELATION_DIGITS),
        decimal(floor, CORRELATION_DIGITS),
        decimal(consistency.own_symmetry, CORRELATION_DIGITS),
    )


def _on_bar(correlation: float | None) -> float | None:
    return None if correlation is None else round(max(correlation, 0.0), 3)


def _row(
    name: str, explanation: Explanation, cells: Floats, grey: Picture, limit: float, floors: Floors, style: Style, index: int
) -> HeroRow:
    original, mapped_back = cells[ORIGINAL], cells[FLIPPED][:, ::-1]
    shown = (original, mapped_back, original - mapped_back)
    at_face, turned_back, gap = (as_data_address(overlay(grey, values, explanation.maps.grid, limit, style, SIDE)) for values in shown)
    face, mirrored = explanation.answers
    share, share_flipped = (share_text(float(value)) for value in explanation.maps.probabilities[:, index])
    return HeroRow(
        name,
        explanation.maps.checkpoint,
        face,
        mirrored,
        share,
        share_flipped,
        face == mirrored,
        decimal(explanation.total_variation, 2),
        at_face,
        turned_back,
        gap,
        meter(explanation, EXPRESSIONS[index], floors),
    )
