"""Accuracies against scikit-learn and a hand-worked case; the figures a result file keeps."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.metrics import confusion_matrix as sklearn_confusion

from model.evaluation import SplitOutputs, accuracies, confusion_matrix, macro_average_precision, split_metrics
from model.expressions import EXPRESSIONS

COUNTS = dict.fromkeys(EXPRESSIONS, 10)


def random_outputs(faces: int = 210) -> tuple[SplitOutputs, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    maps, mirrored = (torch.randn(faces, 7, 5, 5, generator=generator) for _ in range(2))
    return SplitOutputs(maps.mean((2, 3)), maps, mirrored.mean((2, 3)), mirrored), torch.arange(faces) % 7


def test_accuracies_and_confusion_agree_with_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(11)
    labels = torch.cat([torch.arange(7), torch.randint(0, 7, (400,), generator=generator)])
    predicted = torch.where(torch.rand(407, generator=generator) < 0.6, labels, torch.randint(0, 7, (407,), generator=generator))
    found = accuracies(predicted, labels)
    assert found["overall"] == pytest.approx(accuracy_score(labels, predicted))
    assert found["mean"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert (confusion_matrix(predicted, labels).numpy() == sklearn_confusion(labels, predicted)).all()


def test_average_precision_of_a_hand_worked_ranking() -> None:
    # Class 0 of seven: scores rank its two faces 1st and 3rd of eight, so AP = (1/1 + 2/3) / 2 = 5/6; every other class
    # ranks its face first.
    labels = torch.tensor([0, 1, 0, 2, 3, 4, 5, 6])
    probabilities = torch.full((8, 7), 0.1 / 6)
    probabilities[torch.arange(8), labels] = 0.9
    probabilities[1] = torch.tensor([0.4, 0.5, 0.02, 0.02, 0.02, 0.02, 0.02])
    probabilities[2] = torch.tensor([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1])
    logits = probabilities.log()
    assert macro_average_precision(logits, labels) == pytest.approx((5 / 6 + 6) / 7)


def test_maps_that_mirror_exactly_have_consistency_one_and_a_flat_class_has_none() -> None:
    outputs, labels = random_outputs()
    mirrored = SplitOutputs(outputs.logits, outputs.maps, outputs.logits, outputs.maps.flip(-1))
    consistency = split_metrics(mirrored, labels, COUNTS).flip_consistency
    assert consistency is not None
    assert consistency.mean == pytest.approx(1.0, abs=1e-5)
    flat = outputs.maps - outputs.maps.mean(1, keepdim=True)
    flat[:, 6] = 0
    flat[:, :6] -= flat[:, :6].mean(1, keepdim=True)  # centred over the classes, with disgust at zero everywhere
    none = split_metrics(SplitOutputs(outputs.logits, flat, outputs.logits, flat.flip(-1)), labels, COUNTS).flip_consistency
    assert none is not None
    assert none.per_class["disgust"] is None


def test_the_prior_is_taken_out_of_the_logits() -> None:
    # Two classes matter: neutral has e^2 times the faces of disgust, so tau 1 (a shift of 2) overturns neutral's lead of 1.5,
    # tau 0.5 (a shift of 1) does not.
    outputs, _ = random_outputs(7)
    logits = torch.full((7, 7), -9.0)
    logits[:, 0], logits[:, 6] = 1.5, 0.0
    counts = dict.fromkeys(EXPRESSIONS, 1000) | {"disgust": round(1000 / math.e**2)}
    metrics = split_metrics(SplitOutputs(logits, outputs.maps, logits, outputs.maps), torch.arange(7), counts)
    assert metrics.per_class["neutral"] == 1
    assert metrics.logit_adjusted["0.5"].per_class["neutral"] == 1
    assert metrics.logit_adjusted["1"].per_class["neutral"] == 0
    assert metrics.logit_adjusted["1"].per_class["disgust"] == 1
