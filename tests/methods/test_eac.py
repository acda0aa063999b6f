"""EAC and what it shares with MEK: maps of mirror pairs."""

from __future__ import annotations

import math

import pytest
import torch

from model.methods.baseline import Baseline
from model.methods.eac import Eac
from model.methods.settings import EacSettings, NoSettings
from tests.methods.cases import Offset, batch_of, classifier_of, gradient, task_of

FACE = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)
OFFSET = torch.tensor([0.0, 1.0])


def eac(consistency: float) -> Eac:
    return Eac(classifier_of([[1.0], [2.0]], Offset(OFFSET.clone())), task_of((6, 2)), EacSettings(consistency))


def test_the_loss_of_one_face() -> None:
    # Features (1, 3) + (0, 1) = (1, 4); of the mirror image (3, 1) + (0, 1) = (3, 2), mapped back (2, 3).
    # Maps (1, 4) and (2, 8) against (2, 3) and (4, 6): mean squares 1 and 4, over both classes 2.5.
    # Logits 2.5 and 5, label 0: ln(1 + e^2.5).
    losses = eac(0.1)(batch_of(FACE, [0]))
    assert losses["consistency"].item() == pytest.approx(2.5)
    assert losses["loss"].item() == pytest.approx(math.log(1 + math.exp(2.5)) + 0.25)


def test_without_consistency_it_is_the_baseline() -> None:
    method = eac(0.0)
    plain = Baseline(method.classifier, method.task, NoSettings())
    assert torch.equal(method(batch_of(FACE, [0]))["loss"], plain(batch_of(FACE, [0]))["loss"])


def test_consistency_teaches_the_network_and_not_the_classifier_weight() -> None:
    gradients = []
    for consistency in (0.0, 5.0):
        method = eac(consistency)
        method(batch_of(FACE, [0]))["loss"].backward()
        gradients.append((gradient(method.pooled_head.weight), gradient(next(method.classifier.network.parameters()))))
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert not torch.allclose(gradients[0][1], gradients[1][1])


def test_both_views_pass_on_a_gradient() -> None:
    method = eac(1.0)
    method(batch_of(FACE, [0]))["consistency"].backward()
    # d = mean (f_i + o_i - f_i - o_{1-i})^2 = (o_1 - o_0)^2, times mean(1, 4): gradient 2 * 2.5 * (o_1 - o_0) = 5 in o_1.
    # With the mirrored view held fixed it would be half of that.
    assert gradient(next(method.classifier.network.parameters())).tolist() == pytest.approx([-5.0, 5.0])


def test_a_share_of_the_batch_is_paired() -> None:
    seen: list[int] = []
    method = Eac(classifier_of([[1.0], [2.0]], Offset(OFFSET.clone())), task_of((6, 2)), EacSettings(1.0, 0.25))
    method.classifier.network.register_forward_hook(lambda _module, inputs, _output: seen.append(len(inputs[0])))
    method(batch_of(FACE.expand(6, -1, -1, -1), [0] * 6))
    assert seen == [6 + 2]  # a quarter of six, rounded up


def test_a_network_that_treats_both_sides_alike_has_no_gap_on_a_lopsided_face() -> None:
    faces = torch.rand(3, 1, 5, 5, generator=torch.Generator().manual_seed(1))
    method = Eac(classifier_of([[1.0], [2.0]]), task_of((6, 2)), EacSettings(1.0, 1.0))
    assert method(batch_of(faces, [0, 0, 1]))["consistency"].item() == 0
