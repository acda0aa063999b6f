"""RUL: features mixed by uncertainty, and the exact positional maps of its evaluation head."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from model.classifier import ExpressionClassifier, PooledHead, PositionalHead
from model.methods.base import TrainingTask
from model.methods.rul import RelativeUncertainty, mix
from model.methods.settings import RulSettings
from tests.methods.cases import NO_VOTES, batch_of, classifier_of, pixels, task_of


class Fixed(nn.Module):
    """Gives the same values for any features."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = values

    def forward(self, _features: Tensor) -> Tensor:
        return self.values


def test_the_less_certain_face_has_the_larger_share() -> None:
    # Uncertainties 3 and 1: shares 3/4 and 1/4, so both mixtures are 3/4 (1, 0) + 1/4 (0, 1).
    mixed = mix(torch.eye(2), torch.tensor([3.0, 1.0]), torch.tensor([1, 0]))
    assert mixed.tolist() == [[0.75, 0.25], [0.75, 0.25]]


def test_the_loss_of_two_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    method = RelativeUncertainty(classifier_of([[1.0]] * 3), task_of((1, 1, 1)), RulSettings(dimensions=3))
    method.feature = Fixed(torch.eye(3)[:2])  # type: ignore[assignment]
    method.uncertainty = Fixed(torch.tensor([[2.0, 4.0, 3.0], [1.0, 1.0, 1.0]]).log())  # type: ignore[assignment]
    with torch.no_grad():
        method.fc.weight.copy_(torch.eye(3))
        method.fc.bias.zero_()
    monkeypatch.setattr(torch, "randperm", lambda _count, device: torch.tensor([1, 0], device=device))
    # u = 3 and 1, so both faces become (3/4, 1/4, 0). Labels 0 and 2: each face takes half of the cross-entropy of either,
    # ln(e^0.75 + e^0.25 + 1) - 0.75 and the same - 0.
    expected = math.log(math.exp(0.75) + math.exp(0.25) + 1) - 0.375
    assert method(batch_of(pixels(0.0, 0.0), [0, 2]))["loss"].item() == pytest.approx(expected)


def test_the_served_head_computes_what_the_trained_one_does() -> None:
    torch.manual_seed(4)
    task = TrainingTask((1,) * 7, torch.arange(7), NO_VOTES, 1, 1, 3)
    method = RelativeUncertainty(ExpressionClassifier(nn.Identity(), PooledHead(6, 7)), task, RulSettings()).eval()
    for norm in (method.feature.norm_in, method.feature.norm_out):
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    nn.init.normal_(method.feature.norm_out.weight)
    nn.init.normal_(method.feature.norm_out.bias)
    features = torch.randn(8, 6, 3, 3)
    served = method.inference()
    assert isinstance(served.head, PositionalHead)
    prediction = served(features)
    with torch.autocast("cpu", torch.bfloat16):  # as where it teaches: the network's features are rounded, the head is not
        assert served.head(features).maps.equal(prediction.maps)
    torch.testing.assert_close(prediction.logits, method.fc(method.feature(features)), rtol=0, atol=1e-5)
    # A cell's part of a logit: the logit falls by map / 9 when that cell's features become 0.
    erased = features.clone()
    erased[:, :, 1, 2] = 0
    fall = prediction.logits - method.fc(method.feature(erased))
    torch.testing.assert_close(prediction.maps[:, :, 1, 2] / 9, fall, rtol=0, atol=1e-5)


def test_the_replaced_pooled_head_is_not_trained() -> None:
    method = RelativeUncertainty(classifier_of([[1.0]] * 3), task_of((1, 1, 1)), RulSettings())
    assert not any(parameter.requires_grad for parameter in method.pooled_head.parameters())
