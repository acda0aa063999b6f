"""SOFT: smoothed targets of a mean teacher."""

from __future__ import annotations

import math

import pytest
import torch

from model.methods.settings import SoftSettings
from model.methods.soft import SoftLabelSmoothing, ramp_up, soft_targets
from tests.methods.cases import batch_of, classifier_of, pixels, task_of


def soft(epochs: int = 3, steps: int = 5) -> SoftLabelSmoothing:
    """Logits (g, 0); confidence 1/2 for any face."""
    method = SoftLabelSmoothing(classifier_of([[1.0], [0.0]]), task_of((3, 1), epochs, steps), SoftSettings())
    with torch.no_grad():
        method.confidence.weight.zero_()
        method.confidence.bias.zero_()
    return method


def test_confident_classes_keep_their_proportions_and_the_others_share_evenly() -> None:
    # Above 1/4: .6 and .3, which share .8 as 2 : 1; the other two share .2.
    targets = soft_targets(torch.tensor([[0.6, 0.3, 0.07, 0.03]]).log(), 0.2)
    assert targets[0].tolist() == pytest.approx([0.8 * 2 / 3, 0.8 / 3, 0.1, 0.1])


def test_a_uniform_prediction_stays() -> None:
    assert soft_targets(torch.zeros(1, 4), 0.2)[0].tolist() == pytest.approx([0.25] * 4)


def test_the_loss_of_one_face() -> None:
    method = soft()
    method.begin_epoch(2)  # epoch 1 counted from 0, the end of the ramp: a third of three epochs
    # Student g = ln 3: weighted logits (ln 3 / 2, 0), label 0: ln(1 + 1 / sqrt 3). Its plain prediction is (3/4, 1/4).
    # Teacher, on another view with g = ln 4: (.8, .2), smoothed (.65, .35). KL = .65 ln(.65 / .75) + .35 ln(.35 / .25); weight 5.
    loss = method(batch_of(pixels(math.log(3)), [0], batch_of(pixels(math.log(4)), [0])))["loss"]
    divergence = 0.65 * math.log(0.65 / 0.75) + 0.35 * math.log(0.35 / 0.25)
    assert loss.item() == pytest.approx(math.log(1 + 1 / math.sqrt(3)) + 5 * divergence)


def test_the_ramp() -> None:
    assert [ramp_up(epoch, 4) for epoch in (0, 1, 4, 9)] == pytest.approx([math.exp(-5), math.exp(-5 * 9 / 16), 1, 1])


def test_the_teacher_is_a_running_average_and_is_served() -> None:
    method = soft()
    weight = method.teacher.head.weight
    with torch.no_grad():
        method.pooled_head.weight.copy_(torch.tensor([[5.0], [4.0]]))
    method.after_step(1)  # decay 1/2: half of (1, 0) and half of (5, 4)
    assert weight.flatten().tolist() == pytest.approx([3.0, 2.0])
    method.after_step(2)  # decay 2/3: a third of the way from (3, 2) to (5, 4)
    assert weight.flatten().tolist() == pytest.approx([3 + 2 / 3, 2 + 2 / 3])
    assert method.inference() is method.teacher


@pytest.mark.parametrize(("steps", "decay"), [(199, 0.99), (200, 0.999)])
def test_the_decay_depends_on_the_steps_of_the_run(steps: int, decay: float) -> None:
    method = soft(epochs=10, steps=steps)
    with torch.no_grad():
        method.pooled_head.weight.copy_(torch.tensor([[0.0], [1.0]]))
    method.after_step(100_000)
    assert method.teacher.head.weight.flatten().tolist() == pytest.approx([decay, 1 - decay], rel=1e-4)


def test_the_loss_does_not_train_the_teacher() -> None:
    method = soft()
    method(batch_of(pixels(1.0), [0], batch_of(pixels(2.0), [0])))["loss"].backward()
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in method.teacher.parameters())
    assert method.pooled_head.weight.grad is not None


def test_the_teacher_sees_a_second_view_of_the_same_faces() -> None:
    indices = torch.tensor([4, 2, 7])
    assert torch.equal(soft().companion_indices(indices), indices)
