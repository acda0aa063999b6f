"""Faces x models -> maps, consistency and cues: the one path that the REST API, the pages, the figures and the commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app import metrics
from app.choices import OURS, Gauge, MapMethod
from app.errors import ErrorCode, Problem
from app.explaining.maps import ModelMaps
from app.explaining.other_maps import scaled_maps
from model.expressions import EXPRESSIONS
from model.geometry import FaceGeometry, Point
from model.importing.metadata import AnyCheckpoint, map_kind
from model.maps.face_regions import FittedTemplate, fit_template
from model.maps.measures import (
    CONCENTRATED,
    Floats,
    centred,
    find_cues,
    flip_back,
    flip_consistency,
    own_symmetry,
    paper_flip_error,
    relative_flip_error,
    top_cells_iou,
    total_variation,
)
from model.networks import Grid
from model.predictor import Answer, Predictor

Landmarks = Mapping[str, Point]  # in units of the crop's side
Cut = Callable[[int], NDArray[np.uint8]]  # RGB (N, 3, side, side) of N faces, for a side in pixels


@dataclass(frozen=True)
class MirrorAgreement:
    """How well a class's maps of a face and of its mirror image agree (:mod:`model.maps.measures`); None where it is undefined.

    ``pearson``, ``iou`` and ``own_symmetry`` (the correlation of the face's map with its own mirror image) are of the maps served.
    ``mse`` and ``relative_mse`` are the paper's error, of the maps in the trained gauge; with another method than ``cam``, of the maps
    served.
    """

    pearson: float | None
    mse: float | None
    relative_mse: float | None
    iou: float | None
    own_symmetry: float | None


@dataclass(frozen=True)
class FoundCue:
    """Where a model finds most evidence for a minor class, and how much, in logits against the average class.

    ``evidence`` is what the 3x3 cells around the ``peak`` (row, column) add, ``share`` its part of all the map's evidence. A ``place`` is
    named only where that part is two thirds or more: else the evidence lies in no one place, and it is None. Without any evidence the
    peak is None, too, and both numbers are 0.
    """

    expression: str
    place: str | None
    evidence: float
    share: float
    peak: tuple[int, int] | None
    mirror_agrees: bool


@dataclass(frozen=True)
class Explanation:
    """What one model says of one face: logits and maps of both views, their consistency by class, and the cues of its minor classes.

    Cues are always read from the maps of ``cam`` in the centred gauge, whatever method and gauge ``maps`` has.
    """

    maps: ModelMaps
    consistency: dict[str, MirrorAgreement]
    cues: tuple[FoundCue, ...]

    @property
    def predicted(self) -> str:
        """The most probable expression of the face as given."""
        return self.answers[0]

    @property
    def answers(self) -> tuple[str, str]:
        """The most probable expression of the face as given, and of its mirror image."""
        face, mirrored = (EXPRESSIONS[int(logits.argmax())] for logits in self.maps.logits)
        return face, mirrored

    @property
    def total_variation(self) -> float:
        """How far the probabilities of the face and of its mirror image lie apart: half the sum of their differences, 0..1."""
        face, mirrored = self.maps.probabilities
        return min(float(total_variation(face, mirrored)), 1.0)


class _Views(NamedTuple):
    """Of N faces, views stacked on the first axis: ``logits`` (2, N, L), ``maps`` (2, N, L, h, w) and ``features`` (2, N, C, h, w)."""

    logits: Floats
    maps: Floats
    features: Floats


class Explainer:
    """Explains faces with loaded checkpoints. It keeps no state between calls: any number of threads may use it at once.

    Args:
        checkpoints: by name.
        ours: the checkpoint that the name ``ours`` stands for.
        predictors: what runs each of them, by the same names.
    """

    def __init__(self, checkpoints: Mapping[str, AnyCheckpoint], ours: str, predictors: Mapping[str, Predictor]) -> None:
        self.checkpoints = dict(checkpoints)
        self.ours = ours
        self.predictors = predictors

    def find(self, name: str) -> AnyCheckpoint | None:
        """The checkpoint that a name stands for."""
        return self.checkpoints.get(self.ours if name == OURS else name)

    def checkpoint(self, name: str) -> AnyCheckpoint:
        """The checkpoint that a name asked for stands for.

        Raises:
            Problem: ``invalid_parameter``.
        """
        found = self.find(name)
        if found is None:
            raise Problem(ErrorCode.INVALID_PARAMETER, "There is no such model: GET /api/v1/models lists them.", "/query/models")
        return found

    def resolve(self, names: Sequence[str]) -> dict[str, AnyCheckpoint]:
        """The checkpoints that the names asked for stand for, by those names.

        Raises:
            Problem: ``invalid_parameter``.
        """
        return {name: self.checkpoint(name) for name in names}

    def explain(
        self,
        faces: NDArray[np.uint8],
        models: Mapping[str, AnyCheckpoint],
        method: MapMethod = MapMethod.CAM,
        gauge: Gauge = Gauge.CENTRED,
        landmarks: Sequence[Landmarks | None] | None = None,
        cut: Cut | None = None,
    ) -> list[dict[str, Explanation]]:
        """Explain each face with each model: one forward pass a model on all faces and their mirror images.

        Args:
            faces: ``(N, 48, 48)`` uint8, at least one.
            models: by the names asked for, see :meth:`resolve`; two names of one checkpoint cost one pass.
            method: how the maps are made.
            gauge: ``centred``: maps, logits and biases against the mean over the classes; ``trained``: as the weights are.
            landmarks: the five points of each face, None for the mean ones.
            cut: the same faces in colour, for models that were trained on such; None where there are only grey ones.

        Returns:
            For each face, explanations by the names asked for.

        Raises:
            Problem: ``non_finite_output``.
        """
        marks = landmarks or [None] * len(faces)
        distinct = {checkpoint.name: checkpoint for checkpoint in models.values()}
        answers = {
            name: self._explain_with(checkpoint, _shown(checkpoint, faces, cut), method, gauge, marks)
            for name, checkpoint in distinct.items()
        }
        return [{name: _named(answers[checkpoint.name][index], name) for name, checkpoint in models.items()} for index in range(len(faces))]

    def _explain_with(
        self, checkpoint: AnyCheckpoint, faces: NDArray[np.uint8], method: MapMethod, gauge: Gauge, landmarks: Sequence[Landmarks | None]
    ) -> list[Explanation]:
        predictor = self.predictors[checkpoint.name]
        with metrics.stage("forward"):
            views = _forward(predictor, faces)
        with metrics.stage("maps"):
            return _read(checkpoint, predictor, views, method, gauge, landmarks)


def _shown(checkpoint: AnyCheckpoint, grey: NDArray[np.uint8], cut: Cut | None) -> NDArray[np.uint8]:
    """The faces as a checkpoint was trained on them: grey ``(N, 48, 48)``, or RGB ``(N, 3, S, S)``."""
    metadata = checkpoint.metadata
    if cut is None or (metadata.colour, metadata.face_size) == ("grey", grey.shape[-1]):
        return grey
    return cut(metadata.face_size)


def _named(explanation: Explanation, name: str) -> Explanation:
    return replace(explanation, maps=replace(explanation.maps, name=name))


def _forward(predictor: Predictor, faces: NDArray[np.uint8]) -> _Views:
    """One pass on faces ``(N, 48, 48)`` and their mirror images, in the trained gauge."""
    both = np.concatenate([faces, faces[..., ::-1]])
    metrics.BATCH_IMAGES.observe(len(both))
    answer: Answer = predictor(both)
    if not (np.isfinite(answer.maps).all() and np.isfinite(answer.logits).all()):
        raise Problem(ErrorCode.NON_FINITE_OUTPUT)
    return _Views(*(values.reshape(2, len(faces), *values.shape[1:]) for values in answer))


def _read(
    checkpoint: AnyCheckpoint, predictor: Predictor, views: _Views, method: MapMethod, gauge: Gauge, landmarks: Sequence[Landmarks | None]
) -> list[Explanation]:
    """Explanations of the faces, one each, under the checkpoint's own name."""
    metadata = checkpoint.metadata
    logits, exact, bias = views.logits, views.maps, predictor.bias
    if gauge is Gauge.CENTRED:
        logits, exact, bias = centred(logits, 2), centred(exact, 2), centred(bias, 0)
    if method is MapMethod.CAM:
        maps, paper_maps = exact, views.maps
    else:
        features = views.features.reshape(-1, *views.features.shape[2:])
        maps = paper_maps = scaled_maps(method, predictor.head(), features, gauge is Gauge.CENTRED).reshape(exact.shape)
    consistency = _consistency(maps, paper_maps)
    cues = _cues(checkpoint, centred(views.maps, 2), landmarks)
    return [
        Explanation(
            ModelMaps(
                name=checkpoint.name,
                checkpoint=checkpoint.name,
                minor_classes=metadata.minor_classes,
                grid=metadata.grid,
                bias=bias,
                logits=logits[:, index],
                maps=maps[:, index],
                map_kind=map_kind(checkpoint),
            ),
            consistency[index],
            cues[index],
        )
        for index in range(logits.shape[1])
    ]


def _consistency(maps: Floats, paper_maps: Floats) -> list[dict[str, MirrorAgreement]]:
    """Consistency of each face by class, of maps ``(2, N, L, h, w)``."""
    seen, mirrored = maps[0], flip_back(maps[1])
    seen_paper, mirrored_paper = paper_maps[0], flip_back(paper_maps[1])
    numbers = np.stack(
        [
            flip_consistency(seen, mirrored),
            paper_flip_error(seen_paper, mirrored_paper),
            relative_flip_error(seen_paper, mirrored_paper),
            top_cells_iou(seen, mirrored),
            own_symmetry(seen),
        ],
        -1,
    )
    return [
        {
            name: MirrorAgreement(*(None if math.isnan(value) else value for value in row))
            for name, row in zip(EXPRESSIONS, face, strict=True)
        }
        for face in numbers.tolist()
    ]


def _cues(checkpoint: AnyCheckpoint, maps: Floats, landmarks: Sequence[Landmarks | None]) -> list[tuple[FoundCue, ...]]:
    """Cues of each face's minor classes, from centred maps ``(2, N, L, h, w)``."""
    metadata = checkpoint.metadata
    minor = [metadata.classes.index(name) for name in metadata.minor_classes]
    cues = find_cues(maps[0][:, minor], flip_back(maps[1][:, minor]))
    found, peaks, evidence, shares, agrees = (values.tolist() for values in cues)
    return [
        tuple(
            FoundCue(
                name, _place(template, metadata.grid, peak) if share >= CONCENTRATED else None, value, share, (peak[0], peak[1]), mirror
            )
            if here
            else FoundCue(name, None, 0.0, 0.0, None, False)
            for name, here, peak, value, share, mirror in zip(
                metadata.minor_classes, found[face], peaks[face], evidence[face], shares[face], agrees[face], strict=True
            )
        )
        for face, template in enumerate(_template(marks, metadata.geometry) for marks in landmarks)
    ]


def _template(landmarks: Landmarks | None, geometry: FaceGeometry) -> FittedTemplate:
    mean = geometry.landmarks
    try:
        return fit_template(mean if landmarks is None else dict(landmarks), mean)
    except ValueError:  # a detector that puts all five points on one spot has not seen a face's parts
        return fit_template(mean, mean)


def _place(template: FittedTemplate, grid: Grid, peak: list[int]) -> str:
    row, column = peak
    # pixel p covers p..p+1: its centre is at p + 0.5
    return template.place(((grid.centre(column) + 0.5) / grid.input, (grid.centre(row) + 0.5) / grid.input))
