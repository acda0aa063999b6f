"""What all that goes on paper has in common: Matplotlib's settings and the font."""

from __future__ import annotations

from functools import cache
from typing import Any

import matplotlib
from matplotlib.font_manager import FontProperties, findfont, get_font

FONT = "DejaVu Sans"  # ships with matplotlib: the same file everywhere
# its own defaults and a few of ours, whatever the user has set for other figures
PAPER: dict[Any, Any] = {
    **{name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")},
    "font.family": FONT,
    "text.parse_math": False,
    "pdf.fonttype": 42,  # TrueType, as publishers ask
}


def printable(text: str) -> str:
    """The text with a mark in the place of every character that the font lacks, or that is none to be seen."""
    return "".join(character if character.isprintable() and character in _characters() else "\ufffd" for character in text)


@cache
def _characters() -> frozenset[str]:
    """What both weights of the font have."""
    weights = [get_font(findfont(FontProperties(family=FONT, weight=weight))) for weight in ("normal", "bold")]
    return frozenset.intersection(*(frozenset(map(chr, font.get_charmap())) for font in weights))
