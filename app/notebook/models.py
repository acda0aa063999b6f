"""Explanations from Python, under the name ``unturned``: ``import unturned``.

``load(file)`` is one model, whose ``explain(picture)`` gives logits, maps and their agreement as arrays, and where the faces are;
``figure(picture, models)`` is the paper-style figure as bytes; :mod:`app.notebook.show` draws the maps in a notebook.

Each takes a picture as :func:`app.notebook.picture_bytes.picture_bytes` does, and ``crop`` and ``faces`` as the REST API does. The crop is
``detect``; ``whole``, where the picture is one face; or a face's box, (left, top, width, height) in pixels. What else there is to know of
an answer, the REST API's warnings, is a :class:`UserWarning` each.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.choices import MAX_FACES, OURS, FigureFormat, Style, model_names
from app.detection.asked_crop import Box, Crop, parse_crop
from app.detection.find import FaceCrop, Source
from app.drawing.figure import draw_figure
from app.errors import ErrorCode, Problem
from app.explaining.explainer import Explainer
from app.explaining.explanation import Explanation
from app.explaining.loading import checkpoint_files, load_file
from app.explaining.local_service import LocalService
from app.explaining.options import ExplainOptions
from app.explaining.pipeline import ExplainedPicture
from app.explaining.sentences import WARNING_TEXTS
from app.notebook.kept_service import SERVICE, Result
from app.notebook.picture_bytes import Picture, picture_bytes
from app.settings import load_settings
from model.checkpoints import ManifestEntry
from model.errors import InputError, file_errors
from model.geometry import Point
from model.importing.metadata import AnyCheckpoint
from model.predictor import Predictor

MOST_KEPT = 16  # checkpoints; the shipped ones are fewer


@dataclass(frozen=True)
class FaceExplanation(Explanation):
    """What a model says of a face, and which face that is.

    ``box`` is the face in the picture, ``crop`` the square around it that the model was shown, both (left, top, width, height) in pixels;
    given as ``crop``, it asks for this face again. ``grey`` is the square as networks of grey faces see it, ``(48, 48)`` uint8. ``source``
    says where the box comes from: ``detected``, ``whole`` or ``given``; a detected one has a ``score`` of the detector, 0..1, and five
    ``landmarks`` in pixels, by viewer's left and right.
    """

    box: Box
    crop: Box
    grey: NDArray[np.uint8]
    source: Source
    score: float | None
    landmarks: dict[str, Point] | None


@dataclass(frozen=True)
class LoadedModel:
    """One checkpoint of this project, or an imported one; ``name`` is that of its file."""

    checkpoint: AnyCheckpoint
    predictor: Predictor

    @property
    def name(self) -> str:
        return self.checkpoint.name

    def explain(self, picture: Picture, crop: Crop = "detect", faces: int = MAX_FACES) -> tuple[FaceExplanation, ...]:
        """What the model says of the ``faces`` largest faces of a picture, largest first.

        Raises:
            InputError: an array that is no picture.
            Problem: whatever is wrong with the picture or the crop; no face, say.
        """
        own = {self.name: self}

        def placed(explained: ExplainedPicture) -> tuple[FaceExplanation, ...]:
            pairs = zip(explained.explanations, explained.found.faces, strict=True)
            return tuple(_placed(said[self.name], face) for said, face in pairs)

        return pictured(picture, own, crop, faces, placed)


Models = LoadedModel | str | Iterable[LoadedModel | str]


def load(path: str | Path) -> LoadedModel:
    """Read a checkpoint's file.

    Raises:
        CheckpointError: the file is missing, damaged, or not what its metadata says.
    """
    return LoadedModel(*load_file(Path(path), None, threads=1))


def figure(
    picture: Picture,
    models: Models,
    file_format: str = "png",
    style: Style | None = None,
    crop: Crop = "detect",
    faces: int = MAX_FACES,
) -> bytes:
    """The paper-style figure of a picture's faces: each and its mirror image in rows, the maps of all expressions in columns.

    Args:
        picture: of one face or several.
        models: at least one, each with a name of its own; see :func:`asked_models`.
        file_format: png, svg or pdf.
        style: colours, scale and opacity.
        crop: where the faces are.
        faces: most faces drawn, the largest.

    Raises:
        ValueError: another format.
        InputError: no model, two of one name, or one that there is not; an array that is no picture.
        Problem: whatever is wrong with the picture or the crop; no face, say.
    """
    if file_format not in tuple(FigureFormat):
        raise ValueError(f"no figure is drawn as {file_format!r}: choose one of {', '.join(FigureFormat)}")
    named = asked_models(models)
    return pictured(picture, named, crop, faces, lambda said: draw_figure(said.as_faces(), FigureFormat(file_format), style))


def asked_models(models: Models) -> dict[str, LoadedModel]:
    """One or several models by the names asked for: loaded ones, and checkpoints of the settings, by their names or in one text of these.

    Raises:
        ValueError: a name stands twice in a text.
        InputError: there is none, none of a name, or two of one name; or something is neither a model nor a name.
    """
    if isinstance(models, LoadedModel):
        return {models.name: models}
    given = model_names(models) if isinstance(models, str) else tuple(models) if isinstance(models, Iterable) else (models,)
    for model in given:
        if not isinstance(model, (LoadedModel, str)):
            raise InputError(f"a model is what load gives, or the name of a checkpoint; {model!r} is neither")
    shipped = _shipped([model for model in given if isinstance(model, str)])
    named = [(model, shipped[model]) if isinstance(model, str) else (model.name, model) for model in given]
    contents = {(model.name, model.checkpoint.sha256) for _, model in named}
    if not named or len(dict(named)) < len(named) or len(dict(contents)) < len(contents):  # `ours` may stand beside its checkpoint
        raise InputError("at least one model is needed, each with a name of its own: rename a file of those that share one")
    return dict(named)


def _placed(said: Explanation, face: FaceCrop) -> FaceExplanation:
    return FaceExplanation(said.maps, said.consistency, said.cues, face.box, face.crop, face.grey, face.source, face.score, face.landmarks)


def _shipped(names: list[str]) -> dict[str, LoadedModel]:
    """The checkpoints of the settings by the names asked for, each read when it is first asked for and after its file has changed."""
    if not names:
        return {}
    settings = load_settings()
    files, ours = checkpoint_files(settings)
    known = {name: name for name in files} | {OURS: ours}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"there is no model {', '.join(unknown)}; there are {', '.join(known)}")
    with file_errors():
        return {
            name: _read(known[name], *files[known[name]], settings.compute_threads, files[known[name]][0].stat().st_mtime_ns)
            for name in names
        }


@lru_cache(maxsize=MOST_KEPT)
def _read(name: str, path: Path, entry: ManifestEntry | None, threads: int, _changed: int) -> LoadedModel:
    checkpoint, predictor = load_file(path, entry, threads)
    return LoadedModel(replace(checkpoint, name=name), predictor)


def pictured(
    picture: Picture, named: Mapping[str, LoadedModel], crop: Crop, faces: int, make: Callable[[ExplainedPicture], Result]
) -> Result:
    """What ``make`` makes of the explained picture, one call at a time, as drawing needs it.

    Warnings name the line that called the caller of this.

    Raises:
        InputError: an array that is no picture.
        Problem: whatever is wrong with the picture or the choices.
    """
    if not isinstance(faces, int) or not 1 <= faces <= MAX_FACES:
        raise Problem(ErrorCode.INVALID_PARAMETER, f"faces is a whole number from 1 to {MAX_FACES}.", "/query/faces")
    data = picture_bytes(picture)
    options = ExplainOptions(faces, crop=parse_crop(crop if isinstance(crop, str) else ",".join(map(str, crop))))
    checkpoints = {name: model.checkpoint for name, model in named.items()}
    explainer = Explainer(checkpoints, next(iter(named)), {model.name: model.predictor for model in named.values()})

    def made(service: LocalService) -> tuple[Result, list[str]]:
        explained = service.explain(data, checkpoints, options)
        return make(explained), _told(explained)

    result, told = SERVICE.ask(explainer, made)
    for text in told:
        warnings.warn(text, stacklevel=3)
    return result


def _told(explained: ExplainedPicture) -> list[str]:
    """What there is to know of an answer, in sentences."""
    told = [f"{WARNING_TEXTS[code]} ({code})" for code in explained.warnings]
    found, faces = explained.found.faces_found, explained.options.faces
    if found > faces == MAX_FACES:
        told.append(f"{found} faces were found, and the {faces} largest are explained, the most that ever are.")
    return told
