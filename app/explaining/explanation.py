"""What a model says of a face, as people read it: agreement of its maps with the mirror's, and where its minor classes have evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.choices import Gauge, MapMethod
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
from model.predictor import Predictor

Landmarks = Mapping[str, Point]  # in units of the crop's side


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


class Views(NamedTuple):
    """Of N faces, views stacked on the first axis: ``logits`` (2, N, L), ``maps`` (2, N, L, h, w) and ``features`` (2, N, C, h, w)."""

    logits: Floats
    maps: Floats
    features: Floats


def read_views(
    checkpoint: AnyCheckpoint, predictor: Predictor, views: Views, method: MapMethod, gauge: Gauge, landmarks: Sequence[Landmarks | None]
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
    return template.place((grid.share(column), grid.share(row)))
