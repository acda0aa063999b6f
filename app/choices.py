"""What a request can choose about maps and their drawing, apart from the code that makes or draws them: a form can offer it at no cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from model.expressions import EXPRESSIONS

MAX_FACES = 8  # explained in one picture

OURS = "ours"  # stands for the checkpoint that the manifest names
COMPARED = ("baseline", OURS)  # the models explained unless a request names others


def model_names(text: str) -> tuple[str, ...]:
    """The names in a list separated by commas, in its order.

    Raises:
        ValueError: one stands there twice; an answer has one place a name.
    """
    names = tuple(name.strip() for name in text.split(","))
    if len(set(names)) != len(names):
        raise ValueError("a model is named twice")
    return names


class MapMethod(StrEnum):
    """How maps are made: ``cam`` is the only one whose values are parts of the logits, exactly so for a linear head."""

    CAM = "cam"
    GRADCAM = "gradcam"
    GRADCAM_PLUS_PLUS = "gradcam++"
    LAYERCAM = "layercam"
    HIRESCAM = "hirescam"


class Gauge(StrEnum):
    """``centred``: maps, logits and biases against their mean over the classes; ``trained``: as the weights are."""

    CENTRED = "centred"
    TRAINED = "trained"


class ColourMap(StrEnum):
    """How a map's values become colours over the face.

    The signed ones show evidence for a class red and against it blue, and leave the face as it is where nothing is found: ``signed``
    smoothly, ``discs`` cell by cell, as discs whose area is the value's size. The others cover the face with the positive values: two
    perceptually uniform ones, and the one of most published attention figures.
    """

    SIGNED = "signed"
    DISCS = "discs"
    VIRIDIS = "viridis"
    INFERNO = "inferno"
    JET = "jet"


class Scale(StrEnum):
    """Which maps share a colour limit: all maps of a model, all maps shown, or none (each its own)."""

    MODEL = "model"
    ALL = "all"
    MAP = "map"


class FigureFormat(StrEnum):
    """File formats of a figure."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


FIGURE_MEDIA_TYPES = {
    FigureFormat.PNG: "image/png",
    FigureFormat.SVG: "image/svg+xml",
    FigureFormat.PDF: "application/pdf",
}


@dataclass(frozen=True)
class Style:
    """How maps are drawn: their colours, which of them share a limit, and the share of the colour in the blend with the face (0..1)."""

    colour_map: ColourMap = ColourMap.VIRIDIS
    scale: Scale = Scale.MODEL
    opacity: float = 0.5


FIGURE_INCHES = (2.0, 8.5)  # least and most width that can be asked for: half a column of a journal, and a page


@dataclass(frozen=True)
class Sheet:
    """What a figure shows, and how large it is on paper.

    ``classes`` are its columns, in this order. All lengths and texts scale with ``width`` (inches; None: maps of 0.8 inches and texts of
    6.5 points), the pixels of a PNG do not. ``svg_text`` keeps the text of an SVG as text, for editors
    and searches, in the reader's own font.
    """

    classes: tuple[str, ...] = EXPRESSIONS
    width: float | None = None
    svg_text: bool = False


def class_names(text: str) -> tuple[str, ...]:
    """The expressions in a list separated by commas, in the order that all numbers have.

    Raises:
        ValueError: one is unknown or stands there twice.
    """
    names = [name.strip() for name in text.split(",")]
    if len(set(names)) != len(names) or not set(names) <= set(EXPRESSIONS):
        raise ValueError(f"classes are of {', '.join(EXPRESSIONS)}, each once")
    return tuple(name for name in EXPRESSIONS if name in names)
