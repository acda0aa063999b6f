"""The supplement's five figures again, on test faces that a fixed rule chooses: never by hand, and printed with them.

The paper's supplement shows a happiness, two sadness, an anger and a surprise face (section 3). Dataset faces must not be published with
this project, so these figures are drawn on demand by whoever has FERPlus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.explaining.explainer import Explainer
from app.explaining.maps import ExplainedFaces, FaceMaps, softmax
from model.data.faces import FaceSet
from model.errors import InputError
from model.expressions import expression_index
from model.importing.metadata import AnyCheckpoint
from model.predictor import Faces, Predictor

SHOWN = {"happiness": 1, "sadness": 2, "anger": 1, "surprise": 1}  # faces of each expression in the paper's supplement, in its order
RULE = (
    "For each expression: of the labelled FERPlus test faces of that expression, the ones whose score is nearest to the median score "
    "of them all, the lower of the two middle ones where their number is even (one face of happiness, anger and surprise, two of "
    "sadness); the score is the probability of the label, averaged over the models shown and over the face and its mirror image; equal "
    "distances go by file name."
)
BATCH = 32  # faces scored at a time


@dataclass(frozen=True)
class SupplementFigure:
    """One figure: its file stem (such as ``sadness-2``) and the face drawn."""

    stem: str
    explained: ExplainedFaces


def supplement_figures(explainer: Explainer, models: Mapping[str, AnyCheckpoint], faces: FaceSet) -> list[SupplementFigure]:
    """The five figures' faces and maps.

    Args:
        explainer: the loaded models.
        models: those to compare, by the names asked for.
        faces: the FERPlus test split.

    Raises:
        InputError: an expression has fewer labelled faces than are shown.
    """
    candidates = candidate_faces(faces)
    predictors = [explainer.predictors[checkpoint.name] for checkpoint in models.values()]
    scores = {}
    for expression, group in candidates.items():
        batches = [group.images[start : start + BATCH].numpy() for start in range(0, len(group), BATCH)]
        scores[expression] = np.concatenate([label_scores(predictors, images, expression) for images in batches])
    return chosen_figures(explainer, models, candidates, scores)


def candidate_faces(faces: FaceSet) -> dict[str, FaceSet]:
    """The labelled faces of each expression shown.

    Raises:
        InputError: an expression has fewer than are shown.
    """
    groups = {name: faces.subset((faces.labels == expression_index(name)).nonzero().flatten()) for name in SHOWN}
    for name, group in groups.items():
        if len(group) < SHOWN[name]:
            raise InputError(f"the test split has {len(group)} {name} faces, {SHOWN[name]} are shown")
    return groups


def label_scores(predictors: Sequence[Predictor], images: Faces, expression: str) -> NDArray[np.float64]:
    """The rule's score ``(N,)`` of faces ``(N, 48, 48)``: the label's probability, averaged over models and over face and mirror image."""
    label = expression_index(expression)
    views = [predictor(view).logits.astype(np.float64) for predictor in predictors for view in (images, images[..., ::-1])]
    return np.asarray(np.mean([softmax(logits)[:, label] for logits in views], axis=0))


def chosen_figures(
    explainer: Explainer, models: Mapping[str, AnyCheckpoint], candidates: dict[str, FaceSet], scores: dict[str, NDArray[np.float64]]
) -> list[SupplementFigure]:
    """The figures of the faces that the rule chooses by their scores ``(N,)``, by expression."""
    figures = []
    for name, count in SHOWN.items():
        group = candidates[name]
        for number, position in enumerate(nearest_to_median(scores[name], group.names)[:count], 1):
            stem = name if count == 1 else f"{name}-{number}"
            figures.append(SupplementFigure(stem, ExplainedFaces((_explained(explainer, models, group, position, name),))))
    return figures


def nearest_to_median(scores: NDArray[np.float64], names: Sequence[str]) -> list[int]:
    """Positions of all scores by their distance from the (lower) median, nearest first; equal distances by name."""
    median = np.sort(scores)[(len(scores) - 1) // 2]  # one of the scores, so that rounding cannot choose between the two middle ones
    distances = np.abs(scores - median)
    return sorted(range(len(names)), key=lambda position: (distances[position], names[position]))


def _explained(explainer: Explainer, models: Mapping[str, AnyCheckpoint], faces: FaceSet, position: int, label: str) -> FaceMaps:
    image = faces.images[position].numpy()
    (explanations,) = explainer.explain(image[None], models)
    maps = tuple(explanation.maps for explanation in explanations.values())
    return FaceMaps(image, maps, f"FERPlus test, {faces.names[position]}", label)
