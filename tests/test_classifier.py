"""The identities between maps, logits and biases, in both heads and both gauges."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.classifier import PooledHead, PositionalHead, log_odds
from model.maps.measures import centred
from tests.made_checkpoints import random_classifier


def features(seed: int = 0) -> torch.Tensor:
    return torch.rand(3, 8, 4, 5, generator=torch.Generator().manual_seed(seed))


def test_pooled_logits_are_pooled_features_through_the_linear_layer() -> None:
    head = PooledHead(8, 7)
    expected = torch.nn.functional.linear(features().mean((2, 3)), head.weight, head.bias)
    prediction = head(features())
    torch.testing.assert_close(prediction.logits, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(prediction.maps.mean((2, 3)) + head.bias, expected, atol=1e-5, rtol=0)


def test_a_map_of_a_hand_worked_case() -> None:
    head = PooledHead(2, 1)
    head.weight.data = torch.tensor([[2.0, -1.0]])
    head.bias.data = torch.tensor([0.5])
    cells = torch.tensor([[[[1.0, 0.0], [0.0, 3.0]], [[0.0, 1.0], [2.0, 3.0]]]])
    prediction = head(cells)
    assert prediction.maps.tolist() == [[[[2.0, -1.0], [-2.0, 3.0]]]]
    assert prediction.logits.item() == 2.0 / 4 + 0.5


def test_positional_logits_are_one_linear_layer_on_all_cells() -> None:
    weight, bias = torch.randn(7, 8, 4, 5), torch.randn(7)
    prediction = PositionalHead(weight, bias)(features())
    expected = torch.nn.functional.linear(features().flatten(1), weight.flatten(1), bias)
    torch.testing.assert_close(prediction.logits, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(prediction.maps.mean((2, 3)) + bias, expected, atol=1e-4, rtol=0)


def test_detached_maps_keep_the_gradient_of_the_features_only() -> None:
    head, cells = PooledHead(8, 7), features().requires_grad_()
    torch.autograd.backward(head.maps(cells, detach=True).square().sum())
    assert head.weight.grad is None
    assert cells.grad is not None and cells.grad.abs().sum() > 0


@pytest.mark.parametrize("head", ["pooled", "positional"])
def test_centring_changes_no_probability_and_keeps_the_identity(head: str) -> None:
    classifier = random_classifier(0, head)  # type: ignore[arg-type]
    images = torch.rand(2, 3, 99, 99, generator=torch.Generator().manual_seed(1)) * 255
    with torch.inference_mode():
        prediction = classifier(images)
    logits, maps = centred(prediction.logits.numpy()), centred(prediction.maps.numpy())
    bias = centred(classifier.head.bias.numpy(), 0)
    torch.testing.assert_close(torch.tensor(logits).softmax(1), prediction.logits.softmax(1), atol=1e-6, rtol=0)
    np.testing.assert_allclose(maps.mean((2, 3)) + bias, logits, atol=1e-5)
    assert np.abs(logits.sum(1)).max() < 1e-5 and np.abs(maps.sum(1)).max() < 1e-4


def test_centred_maps_do_not_see_a_vector_added_to_every_row_of_the_weight() -> None:
    head = PooledHead(8, 7)
    before = centred(head(features()).maps.detach().numpy())
    head.weight.data += torch.randn(8)
    np.testing.assert_allclose(centred(head(features()).maps.detach().numpy()), before, atol=1e-5)


def test_log_odds_are_those_of_the_probabilities() -> None:
    logits = torch.randn(20, 7, generator=torch.Generator().manual_seed(1))
    probabilities = logits.double().softmax(1)

    torch.testing.assert_close(log_odds(logits), (probabilities / (1 - probabilities)).log(), atol=1e-6, rtol=1e-6)


def test_log_odds_keep_their_order_where_probabilities_round_to_one() -> None:
    logits = torch.zeros(2, 7)
    logits[:, 0] = torch.tensor([60.0, 70.0])
    odds = log_odds(logits)

    assert torch.isfinite(odds).all()
    assert odds[1, 0] - odds[0, 0] == pytest.approx(10)
