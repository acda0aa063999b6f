"""ROAD tells maps that rank pixels as the model uses them from maps that do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.checkpoints import CheckpointMetadata
from model.claims.faithfulness import KEPT_PER_CENT, FaceModel, measure_faithfulness, pixel_ranks, road, sample_faces
from model.classifier import ExpressionClassifier, PositionalHead
from model.data.faces import FaceSet
from model.expressions import EXPRESSIONS, MINOR_CLASSES
from model.geometry import ferplus_geometry
from model.preprocessing import network_input
from model.reference import ReferenceCheckpoint

# grad-cam hands tensors to NumPy functions
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


class Brightness(nn.Module):
    """Mean brightness above mid-grey in the 5x5 cells around the centres of dlib_resnet at 99 px, as one channel."""

    def forward(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(images[:, :1, 9:-10, 9:-10], 16) / 255.0 - 0.5


def left_eye_classifier() -> ExpressionClassifier:
    """Happiness grows with the brightness of the cell in row 1, column 1, and of nothing else."""
    weight = torch.zeros(7, 1, 5, 5)
    weight[1, 0, 1, 1] = 8.0
    return ExpressionClassifier(Brightness(), PositionalHead(weight, torch.zeros(7))).eval().requires_grad_(False)


def left_eye_model() -> FaceModel:
    return FaceModel(left_eye_classifier().logits, lambda grey: network_input(grey, 99))


def faces(count: int) -> Tensor:
    """Dark noise with a bright patch at that cell."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 60, (count, 48, 48), generator=generator, dtype=torch.uint8)
    images[:, 12:20, 12:20] += 180
    return images


def checkpoint(classifier: ExpressionClassifier, name: str) -> ReferenceCheckpoint:
    metadata = CheckpointMetadata(
        method="baseline", network="dlib_resnet", tails=1, head="positional", dataset="ferplus", imbalance="original",
        classes=EXPRESSIONS, training_counts=dict.fromkeys(EXPRESSIONS, 1), minor_classes=MINOR_CLASSES, input_size=99,
        geometry=ferplus_geometry(), seed=1, epochs=1, hyperparameters={}, metrics={}, revision="0",
    )  # fmt: skip
    return ReferenceCheckpoint(name, metadata, "", classifier)


def face_set(images: Tensor, labels: list[int]) -> FaceSet:
    return FaceSet(images, torch.tensor(labels), torch.zeros(len(labels), 10, dtype=torch.int64), tuple(map(str, range(len(labels)))))


def test_a_true_map_scores_above_nought_and_its_opposite_below() -> None:
    images = faces(4)
    truth = np.zeros((4, 48, 48))
    truth[:, 12:20, 12:20] = 1.0
    happiness = torch.ones(4, dtype=torch.int64)
    score = road(left_eye_model(), images, happiness, truth)
    opposite = road(left_eye_model(), images, happiness, -truth)
    assert (score.most < -0.2).all()  # without the patch the class is lost
    assert np.abs(score.least).max() < 0.1  # without the rest it stays
    assert (score.combined > 0.1).all() and (opposite.combined < -0.1).all()
    np.testing.assert_allclose(score.combined, (score.least - score.most) / 2)


def test_ranks_remove_exact_shares_whatever_the_ties() -> None:
    flat = np.zeros((2, 4, 5))
    flat[0, 2, 3] = 5.0
    ranks = pixel_ranks(flat)
    assert ranks[0].argmax() == 13
    for picture in ranks:
        assert sorted(picture.ravel().tolist()) == pytest.approx(np.arange(20) / 19)
    assert not (np.diff(ranks[1].ravel()) > 0).all()  # ties are not broken by position


def test_the_report_sets_maps_against_random_ones_and_models_against_the_first() -> None:
    inverted = left_eye_classifier()
    inverted.head.weight.copy_(-inverted.head.weight)  # happiness is now what is missing; the other classes win
    models = {"first": checkpoint(left_eye_classifier(), "a"), "ours": checkpoint(inverted, "b")}
    report = measure_faithfulness(models, face_set(faces(6), [1] * 6))
    first, ours = report.models["first"], report.models["ours"]
    assert first.checkpoint == "a" and report.faces == 6
    assert first.gain.mean == pytest.approx(first.map.mean - first.random.mean)
    assert first.map.mean == pytest.approx((first.removing_lowest.mean - first.removing_highest.mean) / 2)
    low, high = first.gain.interval
    assert 0.0 < low <= first.gain.mean <= high
    assert report.differences["ours - first"].mean == pytest.approx(ours.gain.mean - first.gain.mean)


def test_the_same_sample_gives_the_same_figures() -> None:
    images = faces(3)
    random_maps = np.random.default_rng(1).random((3, 48, 48))
    classes = torch.ones(3, dtype=torch.int64)
    first, second = (road(left_eye_model(), images, classes, random_maps) for _ in range(2))
    np.testing.assert_array_equal(first.combined, second.combined)


def test_the_intact_face_is_looked_at_once() -> None:
    images, looked_at = faces(3), 0
    classifier = left_eye_classifier()

    def counted(inputs: Tensor) -> Tensor:
        nonlocal looked_at
        looked_at += len(inputs)
        return classifier.logits(inputs)

    model = FaceModel(counted, lambda grey: network_input(grey, 99))
    road(model, images, torch.ones(3, dtype=torch.int64), np.random.default_rng(1).random((3, 48, 48)))
    assert looked_at == 3 * (1 + 2 * len(KEPT_PER_CENT))


def test_the_sample_is_fixed_and_labelled() -> None:
    faces_with_gaps = face_set(faces(20), [-1 if index % 4 == 0 else index % 7 for index in range(20)])
    sample = sample_faces(faces_with_gaps, 10)
    assert len(sample) == 10 and len(set(sample.names)) == 10
    assert (sample.labels >= 0).all()
    assert sample.names == sample_faces(faces_with_gaps, 10).names
    assert len(sample_faces(faces_with_gaps, 100)) == 15
