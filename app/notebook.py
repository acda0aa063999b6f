"""Explanations from Python, under the name ``unturned``: ``import unturned``.

``load(file)`` is one model, whose ``explain(picture)`` gives logits, maps and their agreement as arrays; ``figure(picture, models)`` is the
paper-style figure as bytes; ``show(picture)`` as the last line of a notebook's cell draws the maps there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from app.choices import ColourMap, FigureFormat, Style
from app.commands.local_service import LocalService
from app.drawing.colours import as_data_address, overlay
from app.drawing.figure import draw_figure
from app.explaining.explainer import Explainer
from app.explaining.explanation import Explanation
from app.explaining.loading import load_file
from app.explaining.maps import ExplainedFaces, FaceMaps, ModelMaps, logits_per_cell
from app.explaining.options import ExplainOptions
from app.explaining.pipeline import ExplainedPicture
from app.pages.templating import templates
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.importing.metadata import AnyCheckpoint
from model.maps.measures import flip_back, flip_consistency
from model.maps.picture import Floats
from model.predictor import Predictor

Image = str | Path | bytes
Result = TypeVar("Result")

SIDE = 160  # of a panel, pixels
STYLE = Style(ColourMap.SIGNED, opacity=0.75)


@dataclass(frozen=True)
class LoadedModel:
    """One checkpoint of this project, or an imported one; ``name`` is that of its file."""

    checkpoint: AnyCheckpoint
    predictor: Predictor

    @property
    def name(self) -> str:
        return self.checkpoint.name

    def explain(self, image: Image) -> tuple[Explanation, ...]:
        """What the model says of each face of a picture, largest first.

        Args:
            image: path or bytes of a JPEG, PNG or WebP file.

        Raises:
            Problem: whatever is wrong with the picture; no face, say.
        """
        return tuple(said[self.name] for said in _pictured(image, [self]).explanations)


def load(path: str | Path) -> LoadedModel:
    """Read a checkpoint's file.

    Raises:
        CheckpointError: the file is missing, damaged, or not what its metadata says.
    """
    return LoadedModel(*load_file(Path(path), None, threads=1))


def figure(image: Image, models: Sequence[LoadedModel], file_format: str = "png", style: Style | None = None) -> bytes:
    """The paper-style figure of a picture's faces: each and its mirror image in rows, the maps of all expressions in columns.

    Args:
        image: path or bytes of a JPEG, PNG or WebP file.
        models: at least one, each with a name of its own.
        file_format: png, svg or pdf.
        style: colours, scale and opacity.

    Raises:
        ValueError: another format.
        InputError: no model, or two of one name.
        Problem: whatever is wrong with the picture; no face, say.
    """
    return draw_figure(_pictured(image, models).as_faces(), FigureFormat(file_format), style)


def _pictured(image: Image, models: Sequence[LoadedModel]) -> ExplainedPicture:
    named = {model.name: model.checkpoint for model in models}
    if not models or len(named) < len(models):
        raise InputError("at least one model is needed, each with a name of its own: rename a file of those that share one")
    data = _bytes(image)

    def explained() -> ExplainedPicture:
        predictors = {model.name: model.predictor for model in models}
        with LocalService(Explainer(named, models[-1].name, predictors)) as service:
            return service.picture(data, named, ExplainOptions())

    return _beside(explained)


def _bytes(image: Image) -> bytes:
    return image if isinstance(image, bytes) else Path(image).read_bytes()


def _beside(work: Callable[[], Result]) -> Result:
    """Done in another thread: a notebook's own has an event loop running, in which no other can."""
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(work).result()


@dataclass(frozen=True)
class Shown:
    """What models look at on the faces of a picture, for one expression; a notebook draws it as plain HTML that asks for no other file."""

    explained: ExplainedFaces
    expression: str | None

    def _repr_html_(self) -> str:
        faces = [self._face(face) for face in self.explained.faces]
        return templates.env.get_template("notebook.html").render(faces=faces, side=SIDE)

    def _face(self, face: FaceMaps) -> dict[str, object]:
        expression = self.expression or EXPRESSIONS[int(face.models[-1].probabilities[0].argmax())]
        rows = [_row(face, model, EXPRESSIONS.index(expression)) for model in face.models]
        return {"expression": expression, "rows": rows}


def show(image: Image, models: Sequence[str] = ("baseline", "ours"), expression: str | None = None) -> Shown:
    """Explain the faces of a picture.

    Args:
        image: path or bytes of a JPEG, PNG or WebP file.
        models: names of checkpoints.
        expression: whose maps to draw; by default the one that the last model names.

    Raises:
        ValueError: there is no such expression.
        InputError: there is no such model.
        Problem: whatever is wrong with the picture; no face, say.
    """
    if expression is not None and expression not in EXPRESSIONS:
        raise ValueError(f"no expression {expression!r}: choose one of {', '.join(EXPRESSIONS)}")
    data = _bytes(image)
    return Shown(_beside(lambda: _explained(data, tuple(models))), expression)


def _explained(data: bytes, models: tuple[str, ...]) -> ExplainedFaces:
    with LocalService() as service:
        return service.explain(data, service.resolve(models), ExplainOptions()).explained


def _row(face: FaceMaps, model: ModelMaps, index: int) -> dict[str, object]:
    maps, mirrored = model.maps[:, index]
    consistency = float(flip_consistency(maps, flip_back(mirrored)))
    original, mapped_back = logits_per_cell(maps), logits_per_cell(flip_back(mirrored))
    limit = float(np.abs(logits_per_cell(model.maps)).max())
    panels = {"the face": original, "its mirror image, flipped back": mapped_back, "difference": original - mapped_back}
    answers = [EXPRESSIONS[int(view.argmax())] for view in model.probabilities]
    return {
        "title": model.title,
        "answers": answers,
        "probabilities": [float(view[index]) for view in model.probabilities],
        "flip_consistency": None if np.isnan(consistency) else consistency,
        "panels": {name: _address(face, model, cells, limit) for name, cells in panels.items()},
    }


def _address(face: FaceMaps, model: ModelMaps, cells: Floats, limit: float) -> str:
    return as_data_address(overlay(face.picture, cells, model.grid, limit, STYLE, SIDE))
