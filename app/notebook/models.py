"""Explanations from Python, under the name ``unturned``: ``import unturned``.

``load(file)`` is one model, whose ``explain(picture)`` gives logits, maps and their agreement as arrays; ``figure(picture, models)`` is the
paper-style figure as bytes; :mod:`app.notebook.show` draws the maps in a notebook.

Each takes a picture as :func:`app.notebook.picture_bytes.picture_bytes` does, and ``crop`` as the REST API does: ``detect``; ``whole``,
where the picture is one face; or a face's box, (left, top, width, height) in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.choices import FigureFormat, Style
from app.detection.asked_crop import Crop, parse_crop
from app.drawing.figure import draw_figure
from app.explaining.explainer import Explainer
from app.explaining.explanation import Explanation
from app.explaining.loading import load_file
from app.explaining.options import ExplainOptions
from app.explaining.pipeline import ExplainedPicture
from app.notebook.kept_service import SERVICE, Result
from app.notebook.picture_bytes import Picture, picture_bytes
from model.errors import InputError
from model.importing.metadata import AnyCheckpoint
from model.predictor import Predictor


@dataclass(frozen=True)
class LoadedModel:
    """One checkpoint of this project, or an imported one; ``name`` is that of its file."""

    checkpoint: AnyCheckpoint
    predictor: Predictor

    @property
    def name(self) -> str:
        return self.checkpoint.name

    def explain(self, picture: Picture, crop: Crop = "detect") -> tuple[Explanation, ...]:
        """What the model says of each face of a picture, largest first.

        Raises:
            InputError: an array that is no picture.
            Problem: whatever is wrong with the picture or the crop; no face, say.
        """
        return _pictured(picture, [self], crop, lambda explained: tuple(said[self.name] for said in explained.explanations))


def load(path: str | Path) -> LoadedModel:
    """Read a checkpoint's file.

    Raises:
        CheckpointError: the file is missing, damaged, or not what its metadata says.
    """
    return LoadedModel(*load_file(Path(path), None, threads=1))


def figure(
    picture: Picture, models: Sequence[LoadedModel], file_format: str = "png", style: Style | None = None, crop: Crop = "detect"
) -> bytes:
    """The paper-style figure of a picture's faces: each and its mirror image in rows, the maps of all expressions in columns.

    Args:
        picture: of one face or several.
        models: at least one, each with a name of its own.
        file_format: png, svg or pdf.
        style: colours, scale and opacity.
        crop: where the faces are.

    Raises:
        ValueError: another format.
        InputError: no model, or two of one name; an array that is no picture.
        Problem: whatever is wrong with the picture or the crop; no face, say.
    """
    if file_format not in tuple(FigureFormat):
        raise ValueError(f"no figure is drawn as {file_format!r}: choose one of {', '.join(FigureFormat)}")
    return _pictured(picture, models, crop, lambda explained: draw_figure(explained.as_faces(), FigureFormat(file_format), style))


def _pictured(picture: Picture, models: Sequence[LoadedModel], crop: Crop, make: Callable[[ExplainedPicture], Result]) -> Result:
    """What ``make`` makes of the explained picture, one call at a time, as drawing needs it."""
    named = {model.name: model.checkpoint for model in models}
    if not models or len(named) < len(models):
        raise InputError("at least one model is needed, each with a name of its own: rename a file of those that share one")
    data, options = picture_bytes(picture), explain_options(crop)
    explainer = Explainer(named, models[-1].name, {model.name: model.predictor for model in models})
    return SERVICE.ask(explainer, lambda service: make(service.explain(data, named, options)))


def explain_options(crop: Crop) -> ExplainOptions:
    """All faces of a picture, their exact maps.

    Raises:
        Problem: ``invalid_parameter``, for a crop that is none.
    """
    return ExplainOptions(crop=parse_crop(crop if isinstance(crop, str) else ",".join(map(str, crop))))
