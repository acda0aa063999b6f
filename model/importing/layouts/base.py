"""What a published network is here: its tensors under fixed names, its last feature map, and a head that gives maps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from model.classifier import PooledHead
from model.importing.integrated import Head, IntegratedHead
from model.networks import Grid


class PublishedNetwork(nn.Module, ABC):
    """A network as its authors defined it, built with random weights, filled by ``load_state_dict``.

    Args:
        architecture: one of those the recipe names.
        classes: of the file, as many as its classifier has rows.
    """

    grid_first: ClassVar[int]  # input pixel at which cell 0 is centred
    grid_step: ClassVar[int]  # input pixels between two cells
    foldable: ClassVar[bool] = True  # whether every BatchNorm stands right after its convolution

    @abstractmethod
    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__()

    def grid(self, input_size: int) -> Grid:
        """Where the cells lie at an input size in pixels."""
        return Grid(self.grid_first, self.grid_step, input_size)

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """The last feature map ``(N, C, h, w)`` of normalised images ``(N, 3, S, S)``."""

    @abstractmethod
    def answer(self, features: Tensor) -> Tensor:
        """Logits ``(N, K)`` of features ``(N, C, h, w)``, in the file's order."""

    def logits(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)`` of normalised images, as its authors compute them."""
        return self.answer(self.features(images))

    @abstractmethod
    def head(self, order: Tensor, input_size: int) -> Head:
        """What makes logits and maps of the features, in evaluation mode.

        Args:
            order: ``(L,)``, which of the file's classes each expression is.
            input_size: pixels a side.
        """

    @classmethod
    def dropped(cls, name: str) -> bool:
        """Whether evaluation does not read a tensor of the file, or can compute it."""
        return name.endswith("num_batches_tracked")


class FeatureLayers(nn.Module):
    """The part of a :class:`PublishedNetwork` below its head."""

    def __init__(self, published: PublishedNetwork) -> None:
        super().__init__()
        self.published = published

    def forward(self, images: Tensor) -> Tensor:
        return self.published.features(images)


class AnswerLayers(nn.Module):
    """The head of a :class:`PublishedNetwork`, its logits in the order of the expressions."""

    order: Tensor

    def __init__(self, published: PublishedNetwork, order: Tensor) -> None:
        super().__init__()
        self.published = published
        self.register_buffer("order", order, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        return self.published.answer(features)[:, self.order]


def pooled_head(linear: nn.Linear, order: Tensor) -> PooledHead:
    """Global average pooling and a linear layer, its rows in the order of the expressions."""
    head = PooledHead(linear.in_features, len(order))
    with torch.no_grad():
        head.weight.copy_(linear.weight[order])
        head.bias.copy_(linear.bias[order])
    return head


def integrated_head(published: PublishedNetwork, order: Tensor, input_size: int, from_mean: bool = False) -> IntegratedHead:
    """The network's own head, whatever it is, with approximate maps; ``from_mean``: see :class:`IntegratedHead`."""
    with torch.no_grad():
        _, channels, rows, columns = published.eval().features(torch.zeros(1, 3, input_size, input_size)).shape
    return IntegratedHead(AnswerLayers(published, order), (channels, rows, columns), from_mean)
