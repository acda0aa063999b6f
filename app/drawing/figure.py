"""The paper-style figure: faces and their mirror images in rows, the attention maps of the seven expressions in columns.

Layout after the figures of the paper's supplement (Zhang et al., NeurIPS 2023): a face's label in red, minor classes in green. Added here:
probabilities, flip consistency, one colour scale a model with its bar, and marks that can be told apart without colour vision.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from app.choices import FigureFormat, Scale, Sheet, Style
from app.drawing.colours import colour_limits, enlarged, is_signed, overlay
from app.drawing.figure_bars import ColourBars
from app.drawing.figure_texts import caption, correlation_text, note, title_lines
from app.drawing.paper import PAPER, printable
from app.explaining.maps import FLIPPED, ORIGINAL, ExplainedFaces, FaceMaps, ModelMaps, Picture, logits_per_cell
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.maps.measures import flip_back, flip_consistency
from model.maps.picture import Floats

MAX_FACES_A_PAGE = 40
MAX_PAGE = 200  # inches: PDF readers show no more
DOTS_AN_INCH = 240

# Lengths are inches, text sizes points; both scale with the width asked for.
MARGIN = 0.08
NAMES = 0.36
PANEL = 0.8
GAP = 0.04
FACE_GAP = 0.1
NUMBERS = 0.15
HEADING = 0.17
CAPTION = 0.18
BLOCK_GAP = 0.1
MODEL_GAP = 0.05
NOTE = 0.3
FOOT = 3.0  # left on a page for bars and note
MAPS_LEFT = MARGIN + NAMES + PANEL + FACE_GAP
TEXT_SIZE = 6.5
SMALL_TITLE_SIZE = 5.0
NOTE_SIZE = 5.5
NOTE_LINE = 0.1
WIDE_SHEET = 5  # classes from which on a colour bar's title and unit fit one line
LABEL_COLOUR = "#b3001b"
MINOR_COLOUR = "#00692f"
PANEL_PIXELS = round(PANEL * DOTS_AN_INCH)

_SETTINGS = PAPER | {"svg.hashsalt": "unturned"}
_AXES = {"axes.linewidth": 0.4, "xtick.major.width": 0.4, "xtick.major.size": 2.0, "xtick.major.pad": 1.5, "xtick.labelsize": NOTE_SIZE}
_UNDATED: dict[FigureFormat, dict[str, str | None]] = {
    FigureFormat.PNG: {"Software": "unturned"},
    FigureFormat.SVG: {"Date": None, "Creator": "unturned"},
    FigureFormat.PDF: {"CreationDate": None, "Creator": "unturned"},
}


def draw_figure(explained: ExplainedFaces, file_format: FigureFormat, style: Style | None = None, sheet: Sheet | None = None) -> bytes:
    """The figure of any number of faces, of which a PDF has as many pages as it needs, another format one. Equal input gives equal bytes.

    One at a time: matplotlib reads its settings from one global place, and its font code is not thread-safe.

    Args:
        explained: at least one face, all explained by the same models.
        file_format: png (240 dots an inch at the usual width), svg (text as outlines unless the sheet keeps it) or pdf (fonts embedded).
        style: colours, scale and opacity; by default viridis, one scale a model.
        sheet: classes, width and the form of an SVG's text; maps of a class left out set no colour limit.

    Raises:
        InputError: no face, faces of different models, or too many faces for this format.
    """
    style, sheet = style or Style(), sheet or Sheet()
    faces = explained.faces
    if len({tuple((model.title, model.maps.shape) for model in face.models) for face in faces}) != 1:
        raise InputError("a figure needs at least one face, and the same models for every face")
    unit = 1.0 if sheet.width is None else sheet.width / _width(len(sheet.classes))
    most = _faces_a_page(explained, MAX_PAGE / unit if file_format is FigureFormat.PDF else MAX_PAGE)
    if file_format is not FigureFormat.PDF and len(faces) > most:
        raise InputError(f"at most {most} faces fit a {file_format.upper()} figure: ask for pdf")
    names = " and ".join(printable(model.title) for model in faces[0].models)  # XML takes no control characters
    metadata = {"Title": f"Attention maps of {names} on a face and its mirror image"} | _UNDATED[file_format]
    columns = [EXPRESSIONS.index(name) for name in sheet.classes]
    cells = [np.stack([face.models[index].maps[:, columns] for face in faces]) for index in range(len(faces[0].models))]
    limits = colour_limits([_drawn(maps, explained.method) for maps in cells], style.scale, is_signed(style.colour_map))
    parts = [range(start, min(start + most, len(faces))) for start in range(0, len(faces), most)]
    buffer = io.BytesIO()
    settings = _SETTINGS | {name: unit * size for name, size in _AXES.items()} | {"svg.fonttype": "none" if sheet.svg_text else "path"}
    with matplotlib.rc_context(settings):
        pages = (_Page(explained, part, limits, style, sheet, unit).draw() for part in parts)
        if file_format is FigureFormat.PDF:
            with PdfPages(buffer, metadata=metadata) as document:
                for page in pages:
                    document.savefig(page)
        else:
            next(pages).savefig(buffer, format=file_format, dpi=DOTS_AN_INCH / unit, metadata=metadata)
    return buffer.getvalue()


def _drawn(maps: Floats, method: str) -> Floats:
    """The values shown of maps ``(..., h, w)``: what each cell adds to the logit; another method's than ``cam`` as they are."""
    return logits_per_cell(maps) if method == "cam" else maps


class _Page:
    """One page under construction: a sheet with one axes over all of it in units of ``unit`` inches, y downwards.

    ``limits`` holds the colour limit of every map: one array ``(faces, 2, classes of the sheet)`` a model.
    """

    def __init__(
        self, explained: ExplainedFaces, numbers: range, limits: Sequence[Floats], style: Style, sheet: Sheet, unit: float
    ) -> None:
        self.explained = explained
        self.numbers = numbers
        self.limits = limits
        self.style = style
        self.classes = sheet.classes
        self.unit = unit
        self.width = _width(len(self.classes))
        self.models = explained.faces[0].models
        heights = [_block_height(explained.faces[number]) + BLOCK_GAP for number in numbers]
        self.bars = self._bars()
        self.note = note(explained, style.colour_map, self.width - 2 * MARGIN)
        self.note_height = NOTE + (self.note.count("\n") - 1) * NOTE_LINE
        self.height = MARGIN + sum(heights) + self.bars.height + self.note_height
        self.sheet = Figure(figsize=(unit * self.width, unit * self.height))
        self.axes: Axes = self.sheet.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axes.set_axis_off()

    def draw(self) -> Figure:
        """Everything, from top to bottom."""
        top = MARGIN
        for number in self.numbers:
            top = self._draw_face(number, top) + BLOCK_GAP
        self.bars.draw(self.sheet, top, (self.width, self.height), self.unit * NOTE_SIZE, self.unit * 1.5)
        self._write(MARGIN, self.height - self.note_height + 0.04, self.note, size=NOTE_SIZE, va="top", linespacing=1.3)
        # last, because every picture drawn moves the limits
        self.axes.set(xlim=(0.0, self.width), ylim=(self.height, 0.0), aspect="auto")
        return self.sheet

    def _draw_face(self, number: int, top: float) -> float:
        """Rows of one face, from ``top`` down; returns where they end."""
        face = self.explained.faces[number]
        if text := caption(face, self.width - 2 * MARGIN):
            self._write(MARGIN, top + CAPTION / 2, text, ha="left", size=TEXT_SIZE + 0.5)
            top += CAPTION
        for column, name in enumerate(self.classes):
            self._write(_map_left(column) + PANEL / 2, top + HEADING / 2, name, **_heading_style(name, face))
        self._write(MARGIN + NAMES + PANEL / 2, top + HEADING / 2, "face")
        top += HEADING
        for index, model in enumerate(face.models):
            title, small = title_lines(model.title, 2 * (PANEL + NUMBERS))
            size = SMALL_TITLE_SIZE if small else TEXT_SIZE
            self._write(MARGIN + 0.09, top + PANEL + NUMBERS / 2, title, rotation=90, weight="bold", size=size)
            for view, title in ((ORIGINAL, "original"), (FLIPPED, "flipped")):
                self._write(MARGIN + NAMES - 0.1, top + PANEL / 2, title, rotation=90)
                self._draw_row(face, model, view, self.limits[index][number, view], top)
                top += PANEL + NUMBERS
            top += MODEL_GAP
        return top - MODEL_GAP

    def _draw_row(self, face: FaceMaps, model: ModelMaps, view: int, limits: Floats, top: float) -> None:
        """The face and the seven maps of one model on one view of it, with the numbers below."""
        picture: Picture = face.picture if view == ORIGINAL else face.picture[:, ::-1].copy()
        self._show(enlarged(picture, PANEL_PIXELS), MARGIN + NAMES, top)
        maps = _drawn(model.maps[view], self.explained.method)
        probabilities = model.probabilities[view]
        consistency = _flip_consistency(model)
        for column, name in enumerate(self.classes):
            index = EXPRESSIONS.index(name)
            drawn = overlay(picture, maps[index], model.grid, float(limits[column]), self.style, PANEL_PIXELS)
            self._show(drawn, _map_left(column), top)
            text = f"p {probabilities[index]:.2f}"
            if view == FLIPPED:
                text += f"   r {correlation_text(consistency[index])}"
            weight = "bold" if index == int(probabilities.argmax()) else "normal"
            self._write(_map_left(column) + PANEL / 2, top + PANEL + NUMBERS * 0.45, text, weight=weight)

    def _bars(self) -> ColourBars:
        """One a model, or one for all; no end where each map has its own."""
        ends: list[tuple[str, float | None]]
        if self.style.scale is Scale.MAP:
            ends = [("each map on its own scale", None)]
        elif self.style.scale is Scale.ALL:
            ends = [("all models", float(self.limits[0].max()))]
        else:
            ends = [(printable(model.title), float(limits.max())) for model, limits in zip(self.models, self.limits, strict=True)]
        unit = "logits per cell" if self.explained.method == "cam" else f"{self.explained.method} score"
        wide = len(self.classes) >= WIDE_SHEET
        left = MAPS_LEFT if wide else MARGIN + NAMES
        return ColourBars(ends, unit, self.style.colour_map, left, self.width - MARGIN - left, wide)

    def _show(self, picture: Picture, left: float, top: float) -> None:
        self.axes.imshow(picture, extent=(left, left + PANEL, top + PANEL, top), interpolation="none")

    def _write(self, x: float, y: float, text: str, **options: Any) -> None:
        centred: dict[str, Any] = {"ha": "center", "va": "center"} if "va" not in options else {}
        size = self.unit * options.pop("size", TEXT_SIZE)
        self.axes.text(x, y, text, size=size, **(centred | options))


def _width(columns: int) -> float:
    return _map_left(columns) - GAP + MARGIN


def _map_left(column: int) -> float:
    return MAPS_LEFT + column * (PANEL + GAP)


def _block_height(face: FaceMaps) -> float:
    head = HEADING + (CAPTION if face.caption or face.label else 0.0)
    return head + len(face.models) * (2 * (PANEL + NUMBERS) + MODEL_GAP) - MODEL_GAP


def _faces_a_page(explained: ExplainedFaces, height: float) -> int:
    tallest = max(map(_block_height, explained.faces)) + BLOCK_GAP
    return max(1, min(MAX_FACES_A_PAGE, int((height - FOOT) / tallest)))


def _heading_style(name: str, face: FaceMaps) -> dict[str, Any]:
    """Red and bold: the face's label; green and italic: a minor class of any of the models."""
    minor = any(name in model.minor_classes for model in face.models)
    is_label = name == face.label
    colour = LABEL_COLOUR if is_label else MINOR_COLOUR if minor else "black"
    return {"color": colour, "style": "italic" if minor else "normal", "weight": "bold" if is_label else "normal"}


def _flip_consistency(model: ModelMaps) -> list[float]:
    """Pearson correlation of each class's map with the mirrored face's map flipped back; NaN where either is flat."""
    original, flipped = model.maps
    correlations: list[float] = flip_consistency(original, flip_back(flipped)).tolist()
    return correlations
