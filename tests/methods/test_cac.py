"""Contrastive attention consistency: each term by hand, and what each is there to forbid."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import nn

from model.methods.base import Batch
from model.methods.baseline import Baseline
from model.methods.cac import ContrastiveConsistency, answer_divergence, concordance, distillation, face_contrast
from model.methods.settings import ContrastiveConsistencySettings, NoSettings
from tests.methods.cases import batch_of, classifier_of, gradient, task_of

COUNTS = (9, 1)  # square roots of the weights are as 1 to 3
FACES = torch.tensor([[1.0, 2.0, 3.0], [3.0, 0.0, 0.0]]).view(2, 1, 1, 3)


class Weighted(nn.Module):
    """A network that weighs its input by place, so that a face and its mirror image get different answers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 1.0, 2.0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images * self.weight


def method_of(settings: ContrastiveConsistencySettings) -> ContrastiveConsistency:
    classifier = classifier_of([[1.0], [2.0]], Weighted())
    return ContrastiveConsistency(classifier, task_of(COUNTS), settings)


def row(*cells: float) -> torch.Tensor:
    return torch.tensor(cells, dtype=torch.float32).view(1, 1, 1, -1)


def test_concordance_by_hand() -> None:
    # a = (0, 2), b = (1, 5): means 1 and 3, variances 1 and 4, covariance 2: 2 * 2 / (1 + 4 + 4) = 4/9, where Pearson is 1.
    assert concordance(row(0, 2), row(1, 5)).item() == pytest.approx(4 / 9, abs=1e-5)


@pytest.mark.parametrize("other", [row(1, 3), row(0, 4), row(2, 0)])
def test_a_shift_a_scale_and_a_turn_all_lower_concordance(other: torch.Tensor) -> None:
    assert concordance(row(0, 2), row(0, 2)).item() == pytest.approx(1, abs=1e-5)
    assert concordance(row(0, 2), other).item() < 0.9


def test_the_contrast_by_hand() -> None:
    # One class, two faces whose centred maps are opposite: cosines 1 with the own mirror image, -1 with the other.
    # At temperature 0.5 each row and column is ln(1 + e^-4).
    maps = torch.tensor([[0.0, 1.0], [5.0, 3.0]]).view(2, 1, 1, 2)
    assert face_contrast(maps, maps, 0.5).tolist() == pytest.approx([math.log(1 + math.exp(-4))], abs=1e-6)
    # exchanged, each face finds the other one: ln(1 + e^4)
    assert face_contrast(maps, maps.flip(0), 0.5).tolist() == pytest.approx([math.log(1 + math.exp(4))], abs=1e-6)


def test_maps_alike_on_every_face_have_the_contrast_of_chance() -> None:
    maps = torch.rand(1, 3, 4, 4).expand(5, 3, 4, 4)
    assert face_contrast(maps, maps, 0.2).tolist() == pytest.approx([math.log(5)] * 3, abs=1e-5)


def test_rows_and_columns_of_the_contrast_both_count() -> None:
    # Unequal maps, so that finding the mirror image by the face differs from finding the face by the mirror image.
    generator = torch.Generator().manual_seed(2)
    maps, mirrored = (torch.randn(6, 2, 3, 3, generator=generator) for _ in range(2))
    forth, back = face_contrast(maps, mirrored, 0.3), face_contrast(mirrored, maps, 0.3)
    torch.testing.assert_close(forth, back)


def test_the_divergence_of_answers_is_that_of_scipy() -> None:
    generator = torch.Generator().manual_seed(1)
    logits, mirrored = (3 * torch.randn(5, 7, generator=generator) for _ in range(2))
    expected = np.square(jensenshannon(logits.softmax(1).numpy(), mirrored.softmax(1).numpy(), axis=1))
    assert answer_divergence(logits, mirrored).numpy() == pytest.approx(expected, rel=1e-4)
    assert answer_divergence(logits, logits).abs().max().item() < 1e-6


def test_the_parts_add_up_with_their_settings() -> None:
    settings = ContrastiveConsistencySettings(0.5, 0.25, 0.2, 3.0, 0.3, 1.0)
    losses = method_of(settings)(batch_of(FACES, [0, 1]))
    parts = losses["labels"] + 0.5 * losses["consistency"] + 0.25 * losses["contrast"] + 3 * losses["agreement"]
    assert losses["loss"].item() == pytest.approx(parts.item())
    assert min(value.item() for value in losses.values()) > 0


def test_rare_classes_weigh_by_the_root_of_their_frequency() -> None:
    method = method_of(ContrastiveConsistencySettings(pair_share=1.0))
    assert method.shares.tolist() == pytest.approx([1 / 4, 3 / 4])
    seen = FACES * torch.tensor([1.0, 1.0, 2.0])
    back = FACES * torch.tensor([2.0, 1.0, 1.0])
    gaps = [1 - concordance(scale * seen, scale * back).mean().item() for scale in (1.0, 2.0)]
    losses = method(batch_of(FACES, [0, 1]))
    assert losses["consistency"].item() == pytest.approx(gaps[0] / 4 + 3 * gaps[1] / 4, abs=1e-5)


def test_only_the_labels_teach_the_classifier() -> None:
    method = method_of(ContrastiveConsistencySettings(pair_share=1.0))
    losses = method(batch_of(FACES, [0, 1]))
    (losses["consistency"] + losses["contrast"] + losses["agreement"]).backward()
    assert method.pooled_head.weight.grad is None
    assert method.pooled_head.bias.grad is None
    assert gradient(next(method.classifier.network.parameters())).abs().max() > 0


def test_without_its_terms_it_is_the_baseline() -> None:
    method = method_of(ContrastiveConsistencySettings(0.0, 0.0, 0.2, 0.0, 0.0, 1.0))
    plain = Baseline(method.classifier, method.task, NoSettings())(batch_of(FACES, [0, 1]))["loss"]
    assert method(batch_of(FACES, [0, 1]))["loss"].item() == pytest.approx(plain.item(), rel=1e-6)


def taught(share: float, softening: float, answers: list[list[float]]) -> ContrastiveConsistency:
    """Only the label's loss and the teachers'; the answers are those of the task's first faces, the others' are even."""
    settings = ContrastiveConsistencySettings(0, 0, 0.2, 0, 0, 1, distillation=share, softening=softening)
    task = task_of(COUNTS)
    said = torch.full((len(task.labels), 2), 0.5)
    said[: len(answers)] = torch.tensor(answers)
    return ContrastiveConsistency(classifier_of([[1.0], [2.0]], Weighted()), replace(task, answers=said.log()), settings)


def test_teachers_by_hand() -> None:
    # The face's mean feature is 9/3 (cells weighed 1, 1, 2), the classes' weights 1 and 2: the logits differ by 3, at temperature 2 by 1.5.
    method = taught(0.25, 2.0, [[0.1, 0.9]])
    p = 1 / (1 + math.exp(-1.5))
    q = math.sqrt(0.9) / (math.sqrt(0.1) + math.sqrt(0.9))  # 3/4
    divergence = q * math.log(q / p) + (1 - q) * math.log((1 - q) / (1 - p))
    by_label = math.log(1 + math.exp(3))  # the label is class 0
    loss = method(batch_of(FACES[:1], [0]))["loss"].item()
    assert loss == pytest.approx(0.75 * by_label + 0.25 * 4 * divergence, rel=1e-5)


def test_who_agrees_with_the_teachers_has_nothing_to_learn_from_them() -> None:
    method = taught(1.0, 3.0, [[0.5, 0.5], [1 / (1 + math.exp(1)), 1 / (1 + math.exp(-1))]])
    batch = Batch(FACES[1:], torch.tensor([0]), torch.tensor([1]))  # its logits differ by 1
    assert method(batch)["loss"].item() == pytest.approx(0, abs=1e-6)


def test_softening_keeps_the_size_of_the_gradient() -> None:
    """For logits near each other the loss is the same at every temperature, but for terms of higher order."""
    logits, answers = torch.tensor([[0.01, 0.0, -0.02]]), torch.tensor([[0.0, 0.02, 0.01]])
    values = [distillation(logits, answers, temperature).item() for temperature in (1.0, 2.0, 8.0)]
    assert values == pytest.approx([values[0]] * 3, rel=0.05)
