"""BBN: the reversed sampler, the schedule, the mixed branches."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from model.methods.bbn import BilateralBranch, reversed_draw_weights, uniform_weight
from model.methods.settings import NoSettings
from model.networks.dlib_resnet import DlibResNet
from tests.methods.cases import FERPLUS_COUNTS, batch_of, classifier_of, gradient, pixels, real_batch, real_method, task_of


def test_reversed_class_probabilities_of_ferplus() -> None:
    labels = task_of(FERPLUS_COUNTS).labels
    weights = reversed_draw_weights(labels)
    classes = torch.zeros(7, dtype=torch.float64).index_add(0, labels, weights)
    assert classes.tolist() == pytest.approx([0.0098, 0.0118, 0.0272, 0.0285, 0.0408, 0.1612, 0.7207], abs=5e-5)
    disgust = weights[labels == 6]
    assert torch.equal(disgust, disgust[:1].expand(119))


def test_companions_are_drawn_by_the_reversed_sampler() -> None:
    method = BilateralBranch(classifier_of([[1.0, 0.0], [0.0, 1.0]]), task_of((90, 10)), NoSettings())
    torch.manual_seed(2)
    drawn = method.companion_indices(torch.zeros(20_000, dtype=torch.int64))
    assert drawn.shape == (20_000,)
    # 10 of 100 faces get (1/10) / (1/10 + 1/90) = 9/10 of the draws; four standard deviations are .0085.
    assert (drawn >= 90).float().mean().item() == pytest.approx(0.9, abs=0.0085)


def test_the_schedule_runs_from_one_branch_to_the_other() -> None:
    assert [uniform_weight(epoch, 4) for epoch in (1, 2, 3, 4)] == pytest.approx([1, 15 / 16, 3 / 4, 7 / 16])


def test_the_loss_of_one_face_in_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    method = BilateralBranch(classifier_of([[1.0, 0.0], [0.0, 1.0]]), task_of((3, 1), epochs=2), NoSettings())
    monkeypatch.setattr(method, "_branch", lambda tail, images: images.mean((2, 3)) + tail)
    method.begin_epoch(2)
    # a = 3/4; pooled features 2 (first branch, label 0) and 1 + 1 = 2 (second, label 1): z = 2 (3/4 * 2, 1/4 * 2) = (3, 1).
    # 3/4 ln(1 + e^-2) + 1/4 (ln(1 + e^-2) + 2).
    loss = method(batch_of(pixels(2.0), [0], batch_of(pixels(1.0), [1])))["loss"]
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-2)) + 0.5)


def test_in_the_first_epoch_only_the_uniform_branch_learns() -> None:
    method = real_method("bbn").train()
    method.begin_epoch(1)
    method(real_batch())["loss"].backward()
    network = method.classifier.network
    assert isinstance(network, DlibResNet)
    largest = [max(gradient(parameter).abs().max().item() for parameter in tail.parameters()) for tail in network.tails]
    assert largest[0] > 0
    assert largest[1] == 0


def test_the_served_classifier_is_the_training_formula_at_equal_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.methods.bbn.uniform_weight", lambda _epoch, _epochs: 0.5)
    method = real_method("bbn").eval()
    images = real_batch().images[:4]
    labels = [0, 1, 2, 6]
    same_faces = batch_of(images, labels, batch_of(images, labels))
    served = F.cross_entropy(method.inference()(images).logits, torch.tensor(labels))
    torch.testing.assert_close(method(same_faces)["loss"], served, rtol=1e-5, atol=1e-6)
