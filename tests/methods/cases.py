"""Small tasks, classifiers and batches for the tests of the training methods."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.classifier import ExpressionClassifier, PooledHead
from model.methods.base import Batch, Method, TrainingTask
from model.methods.registry import find_method
from model.networks.build import build_network

FERPLUS_COUNTS = (8740, 7287, 3149, 3014, 2100, 532, 119)
FACES = 8
SIDE = 67  # pixels; the map is 3x3
LABELS = torch.tensor([0, 0, 1, 2, 3, 4, 5, 6])
NO_VOTES = torch.zeros(0, 0, dtype=torch.int64)


class Offset(nn.Module):
    """A network that hands its input on and adds a learnt row, so that it treats a face and its mirror image differently."""

    def __init__(self, offset: Tensor) -> None:
        super().__init__()
        self.offset = nn.Parameter(offset)

    def forward(self, images: Tensor) -> Tensor:
        return images + self.offset


def classifier_of(weight: list[list[float]], network: nn.Module | None = None) -> ExpressionClassifier:
    """Pooling and the linear layer ``weight`` (L, C), without a bias, on a network that hands its input on."""
    head = PooledHead(len(weight[0]), len(weight))
    with torch.no_grad():
        head.weight.copy_(torch.tensor(weight))
        head.bias.zero_()
    return ExpressionClassifier(nn.Identity() if network is None else network, head)


def task_of(counts: tuple[int, ...], epochs: int = 10, steps: int = 5, votes: Tensor = NO_VOTES) -> TrainingTask:
    """A task whose training set lists the classes one after another; its maps have one cell."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return TrainingTask(counts, labels, votes, epochs, steps, 1)


def pixels(*values: float) -> Tensor:
    """Faces of one number each, ``(N, 1, 1, 1)``."""
    return torch.tensor(values).view(-1, 1, 1, 1)


def batch_of(images: Tensor, labels: list[int], companion: Batch | None = None) -> Batch:
    return Batch(images, torch.tensor(labels), torch.arange(len(labels)), companion)


def gradient(parameter: Tensor) -> Tensor:
    """The gradient that a parameter has received."""
    assert parameter.grad is not None
    return parameter.grad


def real_method(name: str, seed: int = 1, epochs: int = 2) -> Method:
    """A method on an untrained backbone and the eight faces of :func:`real_batch`, with its default settings."""
    torch.manual_seed(seed)
    chosen = find_method(name)
    network = build_network("dlib_resnet", chosen.tails)
    classifier = ExpressionClassifier(network, PooledHead(network.channels, 7))
    votes = torch.zeros(FACES, 10, dtype=torch.int64)
    votes[:, 0] = 3
    votes[torch.arange(FACES), LABELS] += 6
    counts = tuple(torch.bincount(LABELS).tolist())
    return chosen(classifier, TrainingTask(counts, LABELS, votes, epochs, 10, 3), chosen.Settings())


def real_batch() -> Batch:
    """Eight random faces with labels, and a companion batch."""
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(FACES, 3, SIDE, SIDE, generator=generator) * 255
    order = torch.arange(FACES).flip(0)
    return Batch(images, LABELS, torch.arange(FACES), Batch(images[order], LABELS[order], order))
