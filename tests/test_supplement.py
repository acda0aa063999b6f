"""The supplement's figures: the faces that the printed rule chooses, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from app.explain import Explainer
from app.supplement import RULE, nearest_to_median, supplement_figures
from model.checkpoints import load_checkpoint
from model.data.ferplus import FaceSet
from model.expressions import EXPRESSIONS
from model.preprocessing import network_input

MODELS = ("baseline", "ours")


@pytest.fixture(scope="module")
def explainer(random_checkpoints: Path) -> Explainer:
    names = ("baseline", "mek_sf")
    return Explainer({name: load_checkpoint(random_checkpoints / f"{name}.safetensors") for name in names}, "mek_sf")


def made_faces() -> FaceSet:
    """Four faces of every expression, made of noise, and two without a label."""
    labels = torch.tensor([*range(7)] * 4 + [-1, -1])
    images = torch.randint(0, 256, (len(labels), 48, 48), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    names = tuple(f"{number:02}.png" for number in range(len(labels)))
    return FaceSet(images, labels, torch.zeros(len(labels), 10, dtype=torch.int64), names)


def test_nearest_to_the_median_with_ties_by_name() -> None:
    # the median of these five is 0.5; d and b are equally far from it
    assert nearest_to_median(np.array([1.0, 0.75, 0.5, 0.25, 0.0]), ["a", "d", "c", "b", "e"]) == [2, 3, 1, 0, 4]
    # of four, 0.25 is the lower of the middle two
    assert nearest_to_median(np.array([1.0, 0.5, 0.25, 0.0]), ["a", "b", "c", "d"]) == [2, 1, 3, 0]


def test_the_five_faces_are_those_of_the_rule(explainer: Explainer) -> None:
    faces = made_faces()
    figures = supplement_figures(explainer, MODELS, faces)
    assert [figure.stem for figure in figures] == ["happiness", "sadness-1", "sadness-2", "anger", "surprise"]
    for figure in figures:
        (face,) = figure.explained.faces
        label = figure.stem.partition("-")[0]
        assert face.label == label
        assert [model.title for model in face.models] == ["baseline", "ours (mek_sf)"]
        scores = {}
        for position in torch.nonzero(faces.labels == EXPRESSIONS.index(label)).flatten().tolist():
            views = (faces.images[position : position + 1], faces.images[position : position + 1].flip(-1))
            probabilities = [
                explainer.checkpoint(name).classifier(network_input(view, 99)).logits.softmax(1)[0, EXPRESSIONS.index(label)].item()
                for name in MODELS
                for view in views
            ]
            scores[faces.names[position]] = sum(probabilities) / 4
        median = sorted(scores.values())[1]  # of four
        nearest = sorted(scores, key=lambda name, scores=scores, median=median: abs(scores[name] - median))
        chosen = face.caption.removeprefix("FERPlus test, ")
        assert chosen == nearest[1 if figure.stem == "sadness-2" else 0]
        np.testing.assert_array_equal(face.picture, faces.images[faces.names.index(chosen)].numpy())


def test_too_few_faces_are_refused(explainer: Explainer) -> None:
    with pytest.raises(ValueError, match="0 happiness faces"):
        supplement_figures(explainer, MODELS, made_faces().subset(torch.tensor([0])))


def test_the_rule_says_what_is_measured() -> None:
    assert "median" in RULE and "probability of the label" in RULE and "file name" in RULE
