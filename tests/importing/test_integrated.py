"""Integrated gradients against captum's, which shares no code with them."""

from __future__ import annotations

import pytest
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

from model.importing.integrated import IntegratedHead
from model.importing.layouts.base import AnswerLayers
from model.importing.layouts.dan import Dan
from tests.made_imports import randomise

CHANNELS, SIDE, CLASSES = 6, 4, 7


def small_layers() -> nn.Module:
    layers = nn.Sequential(nn.Conv2d(CHANNELS, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(32, 16), nn.Softplus(), nn.Linear(16, CLASSES))
    return randomise(layers, 3)


def features(channels: int) -> Tensor:
    return torch.rand(3, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(2))


def of_captum(layers: nn.Module, given: Tensor, start: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """The class's maps ``(N, h, w)`` at this project's scale, and by how much each misses the logit."""
    attribute = IntegratedGradients(layers).attribute
    settings = {"n_steps": IntegratedHead.NODES, "method": "gausslegendre", "return_convergence_delta": True}
    shares, missed = attribute(given, start, target=index, **settings)
    return shares.sum(1) * SIDE * SIDE, missed


@pytest.mark.parametrize("from_mean", [False, True])
@pytest.mark.parametrize("name", ["small", "dan"])
def test_maps_are_those_of_captum_at_as_many_points(name: str, from_mean: bool) -> None:
    torch.manual_seed(1)
    channels = CHANNELS if name == "small" else 512
    # the gradients between two near answers, of DAN's thousands, are rounded in single precision
    rounding = 1e-3 if name == "dan" and from_mean else 1e-5
    layers = small_layers() if name == "small" else AnswerLayers(Dan("resnet18", CLASSES), torch.arange(CLASSES)).eval()
    given = features(channels)
    head = IntegratedHead(layers.requires_grad_(False), (channels, SIDE, SIDE), from_mean)
    logits, maps = head(given)
    start = given.mean((2, 3), keepdim=True).expand_as(given) if from_mean else torch.zeros_like(given)
    shared_out = layers(start) - layers(torch.zeros_like(given))
    for index in range(CLASSES):
        expected, missed = of_captum(layers, given, start, index)
        expected = expected + shared_out[:, index, None, None]
        scale = expected.abs().max()
        torch.testing.assert_close(maps[:, index] / scale, expected / scale, atol=rounding, rtol=0)
        gap = maps[:, index].mean((1, 2)) + head.bias[index] - logits[:, index]
        torch.testing.assert_close(gap, missed.float(), atol=1e-4 * float(logits.abs().max()), rtol=0)


@pytest.mark.parametrize("from_mean", [False, True])
def test_of_many_faces_few_are_in_memory_at_once_and_none_changes_anothers_maps(from_mean: bool) -> None:
    passed: list[int] = []
    layers = small_layers()
    layers.register_forward_hook(lambda _module, _given, answer: passed.append(len(answer)))
    head = IntegratedHead(layers.requires_grad_(False), (CHANNELS, SIDE, SIDE), from_mean)
    generator = torch.Generator().manual_seed(4)
    given = torch.rand(50, CHANNELS, SIDE, SIDE, generator=generator)
    directions = torch.rand(50, 2, CLASSES, generator=generator)
    passed.clear()
    maps = head.maps_along(given, directions)
    assert max(passed) <= 10 * IntegratedHead.NODES
    alone = [head.maps_along(face[None], along[None]) for face, along in zip(given, directions, strict=True)]
    torch.testing.assert_close(maps, torch.cat(alone), atol=1e-5, rtol=1e-5)
