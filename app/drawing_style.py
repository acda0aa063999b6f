"""How maps are drawn: the choices, without the code that draws, so that commands and forms can offer them at no cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ColourMap(StrEnum):
    """Colour maps offered: two perceptually uniform ones, the one of most published attention figures, and one for signed maps."""

    VIRIDIS = "viridis"
    INFERNO = "inferno"
    JET = "jet"
    DIVERGING = "diverging"


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
