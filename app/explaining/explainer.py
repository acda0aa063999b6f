"""Faces x models -> explanations: the one path that the REST API, the pages, the figures and the commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app import metrics
from app.choices import OURS, Gauge, MapMethod
from app.errors import ErrorCode, Problem
from app.explaining.explanation import Explanation, Landmarks, Views, read_views
from model.importing.metadata import AnyCheckpoint
from model.predictor import Answer, Predictor

Cut = Callable[[int], NDArray[np.uint8]]  # RGB (N, 3, side, side) of N faces, for a side in pixels


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
            return read_views(checkpoint, predictor, views, method, gauge, landmarks)


def _shown(checkpoint: AnyCheckpoint, grey: NDArray[np.uint8], cut: Cut | None) -> NDArray[np.uint8]:
    """The faces as a checkpoint was trained on them: grey ``(N, 48, 48)``, or RGB ``(N, 3, S, S)``."""
    metadata = checkpoint.metadata
    if cut is None or (metadata.colour, metadata.face_size) == ("grey", grey.shape[-1]):
        return grey
    return cut(metadata.face_size)


def _named(explanation: Explanation, name: str) -> Explanation:
    return replace(explanation, maps=replace(explanation.maps, name=name))


def _forward(predictor: Predictor, faces: NDArray[np.uint8]) -> Views:
    """One pass on faces ``(N, 48, 48)`` and their mirror images, in the trained gauge."""
    both = np.concatenate([faces, faces[..., ::-1]])
    metrics.BATCH_IMAGES.observe(len(both))
    answer: Answer = predictor(both)
    if not (np.isfinite(answer.maps).all() and np.isfinite(answer.logits).all()):
        raise Problem(ErrorCode.NON_FINITE_OUTPUT)
    return Views(*(values.reshape(2, len(faces), *values.shape[1:]) for values in answer))
