"""The words of the paper-style figure, in lines that fit their places. Widths are inches at the figure's usual size."""

from __future__ import annotations

import math
import textwrap

from app.choices import ColourMap
from app.drawing.paper import printable
from app.explaining.maps import ExplainedFaces, FaceMaps
from app.numbers import decimal

MAX_CAPTION = 100  # characters
# Characters an inch, of each kind of text.
CAPTION_CHARACTERS = 15  # digits are wide
TITLE_CHARACTERS = 17
SMALL_TITLE_CHARACTERS = 18
NOTE_CHARACTERS = 25


def caption(face: FaceMaps, width: float) -> str:
    """The face's caption and label on one printable line; where that is too long, the label stays whole."""
    label = f"label: {face.label}" if face.label else ""
    room = int(width * CAPTION_CHARACTERS) - (len(label) + 2 if label else 0)
    text = printable(face.caption)
    return ", ".join(part for part in (shortened(text, min(MAX_CAPTION, room)), label) if part)


def shortened(text: str, characters: int) -> str:
    """A text's beginning, where all of it has more characters."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def title_lines(title: str, width: float) -> tuple[str, bool]:
    """A model's name in as many lines as it needs, and whether they are to be small: more than one are."""
    title = printable(title)
    if len(title) <= int(width * TITLE_CHARACTERS):
        return title, False
    return "\n".join(wrapped(title, width, SMALL_TITLE_CHARACTERS)), True


def wrapped(text: str, width: float, characters: int = NOTE_CHARACTERS) -> list[str]:
    """A text in lines of a width."""
    return textwrap.wrap(text, int(width * characters), break_on_hyphens=False)


def correlation_text(correlation: float) -> str:
    """A correlation, with a dash for an undefined one, NaN."""
    return decimal(None if math.isnan(correlation) else correlation, 2)


def note(explained: ExplainedFaces, colour_map: ColourMap, width: float) -> str:
    """What the marks mean, in lines that fit a page."""
    first = (
        "p: probability of the class (bold: the predicted one); r: flip consistency, the correlation of a map with the flipped face's map"
        " flipped back (1: the same; –: a flat map)."
    )
    second = "Italic green: minor class."
    if any(face.label for face in explained.faces):
        second = f"Bold red: the face's label. {second}"
    if colour_map is ColourMap.DISCS:
        second += " A disc's area is the size of its cell's value."
    if explained.method == "cam":
        second += " A map's cells sum to the class's logit less its bias"
        second += ", those of approximate maps only roughly." if _some_approximate(explained) else "."
    else:
        second += " Each map is scaled to 0..1 by itself: strengths cannot be compared."
    if explained.gauge == "centred":
        second += " Maps and logits are taken against the mean of the seven classes."
    return "\n".join(line for sentence in (first, second) for line in wrapped(sentence, width))


def _some_approximate(explained: ExplainedFaces) -> bool:
    return any(model.map_kind == "approximate" for face in explained.faces for model in face.models)
