"""Accuracies against scikit-learn and a hand-worked case; the figures a result file keeps."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.metrics import confusion_matrix as sklearn_confusion

from model.expressions import EXPRESSIONS
from model.measuring.evaluation import accuracies, confusion_matrix, macro_average_precision, split_metrics
from model.measuring.mirror import SplitOutputs
from model.methods.base import log_prior

COUNTS = dict.fromkeys(EXPRESSIONS, 10)


def random_outputs(faces: int = 210) -> tuple[SplitOutputs, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    maps, mirrored = (torch.randn(faces, 7, 5, 5, generator=generator) for _ in range(2))
    return SplitOutputs(maps.mean((2, 3)), maps, mirrored, mirrored.mean((2, 3))), torch.arange(faces) % 7


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
    mirrored = SplitOutputs(outputs.logits, outputs.maps, outputs.maps.flip(-1), outputs.logits)
    consistency = split_metrics(mirrored, labels, COUNTS).flip_consistency
    assert consistency is not None
    assert consistency.mean == pytest.approx(1.0, abs=1e-5)
    flat = outputs.maps - outputs.maps.mean(1, keepdim=True)
    flat[:, 6] = 0
    flat[:, :6] -= flat[:, :6].mean(1, keepdim=True)  # centred over the classes, with disgust at zero everywhere
    none = split_metrics(SplitOutputs(outputs.logits, flat, flat.flip(-1), outputs.logits), labels, COUNTS).flip_consistency
    assert none is not None
    assert none.per_class["disgust"] is None


def test_the_intervals_of_each_figure_stand_beside_it() -> None:
    """100 neutral faces, all right; 4 of disgust, half right: four draws of a fair coin, none or all right in one of sixteen each."""
    labels = torch.cat([torch.zeros(100, dtype=torch.int64), torch.arange(1, 6).repeat(20), torch.full((4,), 6)])
    predicted = torch.cat([labels[:-2], torch.zeros(2, dtype=torch.int64)])
    generator = torch.Generator().manual_seed(1)
    maps, noise = (torch.randn(len(labels), 7, 5, 5, generator=generator) for _ in range(2))
    strength = torch.linspace(0, 3, 7).view(7, 1, 1)  # how little a class's map agrees with the mirror's
    logits = torch.eye(7)[predicted]
    metrics = split_metrics(SplitOutputs(logits, maps, (maps + strength * noise).flip(-1), logits), labels, COUNTS)
    assert metrics.intervals is not None
    assert metrics.flip_consistency is not None
    per_class = metrics.intervals.per_class
    assert per_class is not None
    assert per_class["neutral"] == (1, 1)
    assert per_class["disgust"] == (0, 1)
    overall, mean = metrics.intervals.overall, metrics.intervals.mean
    assert overall[0] < metrics.overall < overall[1]
    assert mean[0] < metrics.mean < mean[1]
    assert mean[1] - mean[0] > 5 * (overall[1] - overall[0])
    assert metrics.intervals.flip_consistency is not None
    for name, value in metrics.flip_consistency.per_class.items():
        interval = metrics.intervals.flip_consistency[name]
        assert value is not None
        assert interval is not None
        assert interval[0] < value < interval[1]
        assert interval[1] - interval[0] < 0.2  # the classes differ by more, so an interval beside the wrong one would show


def test_a_class_without_a_training_face_counts_as_one() -> None:
    outputs, labels = random_outputs()
    none, one = (split_metrics(outputs, labels, COUNTS | {"disgust": count}) for count in (0, 1))
    assert none == one
    assert log_prior((3, 0)).tolist() == pytest.approx([math.log(3 / 4), math.log(1 / 4)])


def test_the_prior_is_taken_out_of_the_logits() -> None:
    # Two classes matter: neutral has e^2 times the faces of disgust, so tau 1 (a shift of 2) overturns neutral's lead of 1.5,
    # tau 0.5 (a shift of 1) does not.
    outputs, _ = random_outputs(7)
    logits = torch.full((7, 7), -9.0)
    logits[:, 0], logits[:, 6] = 1.5, 0.0
    counts = dict.fromkeys(EXPRESSIONS, 1000) | {"disgust": round(1000 / math.e**2)}
    metrics = split_metrics(SplitOutputs(logits, outputs.maps, outputs.maps, logits), torch.arange(7), counts)
    assert metrics.per_class["neutral"] == 1
    assert metrics.logit_adjusted["0.5"].per_class["neutral"] == 1
    assert metrics.logit_adjusted["1"].per_class["neutral"] == 0
    assert metrics.logit_adjusted["1"].per_class["disgust"] == 1


def test_two_views_are_judged_by_their_mean_logits() -> None:
    # Face 0 is right as it is (margin 1) and wrong in the mirror (margin 3): wrong by two views. The other six are right in both.
    outputs, _ = random_outputs(7)
    labels = torch.arange(7)
    logits, mirrored = 9.0 * torch.eye(7), 9.0 * torch.eye(7)
    logits[0, :2], mirrored[0, :2] = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0])
    metrics = split_metrics(SplitOutputs(logits, outputs.maps, outputs.maps, mirrored), labels, COUNTS)
    assert metrics.overall == 1
    assert metrics.two_views is not None
    assert metrics.two_views.overall == pytest.approx(6 / 7)
    assert metrics.two_views.per_class["neutral"] == 0
    assert metrics.mirror is not None
    assert metrics.mirror.changed_answers.value == pytest.approx(1 / 7)


def test_the_frontier_begins_as_trained_and_meets_the_adjusted_rows() -> None:
    outputs, labels = random_outputs()
    metrics = split_metrics(outputs, labels, dict(zip(EXPRESSIONS, (900, 700, 300, 300, 200, 50, 10), strict=True)))
    found = {point.tau: (point.overall, point.mean) for point in metrics.frontier}
    assert found[0.0] == (metrics.overall, metrics.mean)
    for tau in (0.5, 1.0):
        assert found[tau] == (metrics.logit_adjusted[f"{tau:g}"].overall, metrics.logit_adjusted[f"{tau:g}"].mean)
