"""The expression classifier: logits and the attention map of every class from one forward pass.

Class attention map (CAM; Zhou et al., CVPR 2016): ``M[l, h, w] = sum_c W[l, c] F[c, h, w]``. With
global average pooling the map is exact: ``logit[l] = mean_hw M[l] + b[l]``, so ``M[l, h, w] / (h w)`` is what one cell adds to the logit.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Prediction(NamedTuple):
    """What a classifier says of a batch: ``logits`` (N, L) and ``maps`` (N, L, h, w), both float32; ``logits == maps.mean((2, 3))
    + bias``."""

    logits: Tensor
    maps: Tensor


class PooledHead(nn.Module):
    """Global average pooling and one linear layer: weight ``(L, C)``, bias ``(L,)``."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        linear = nn.Linear(channels, classes)
        self.weight = linear.weight
        self.bias = linear.bias

    def maps(self, features: Tensor, detach: bool = False) -> Tensor:
        """Attention maps ``(N, L, h, w)`` of features ``(N, C, h, w)``; ``detach`` stops the gradient at the weight, not at the
        features."""
        weight = self.weight.detach() if detach else self.weight
        with torch.autocast(features.device.type, enabled=False):
            return torch.einsum("lc,nchw->nlhw", weight, features.float())

    def forward(self, features: Tensor) -> Prediction:
        maps = self.maps(features)
        return Prediction(maps.mean((2, 3)) + self.bias, maps)


class PositionalHead(nn.Module):
    """A head that is linear in the features with a weight of its own for every cell: weight ``(L, C, h, w)``, bias ``(L,)``.

    ``logit[l] = sum_chw A[l, c, h, w] F[c, h, w] + b[l]``; the map is that sum cell by cell, times ``h w``, which keeps the identity above.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias)

    def forward(self, features: Tensor) -> Prediction:
        cells = self.weight.shape[-2] * self.weight.shape[-1]
        with torch.autocast(features.device.type, enabled=False):
            maps = cells * torch.einsum("lchw,nchw->nlhw", self.weight, features.float())
        return Prediction(maps.mean((2, 3)) + self.bias, maps)


def linear_head(weight: Tensor, bias: Tensor) -> PooledHead | PositionalHead:
    """The frozen head of a weight ``(L, C)``, after pooling, or ``(L, C, h, w)``."""
    head: PooledHead | PositionalHead
    if weight.dim() == 2:
        head = PooledHead(weight.shape[1], weight.shape[0])
        head.weight.data, head.bias.data = weight, bias
    else:
        head = PositionalHead(weight, bias)
    return head.requires_grad_(False)


class LogitsAlone(nn.Module):
    """A head without its maps: features ``(N, C, h, w)`` -> logits ``(N, L)``."""

    def __init__(self, head: PooledHead | PositionalHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        prediction: Prediction = self.head(features)
        return prediction.logits


class ExpressionClassifier(nn.Module):
    """A backbone and a head.

    Input: ``(N, 3, S, S)`` RGB in 0..255. Output: :class:`Prediction`.
    """

    def __init__(self, network: nn.Module, head: PooledHead | PositionalHead) -> None:
        super().__init__()
        self.network = network
        self.head = head

    def forward(self, images: Tensor) -> Prediction:
        prediction: Prediction = self.head(self.network(images))
        return prediction

    def logits(self, images: Tensor) -> Tensor:
        """The logits ``(N, L)`` alone."""
        prediction: Prediction = self(images)
        return prediction.logits


def log_odds(logits: Tensor) -> Tensor:
    """``log p / (1 - p)`` of every class, ``(N, L)``: its logit less the log-sum-exp of the others'."""
    classes = logits.shape[1]
    others = [torch.logsumexp(logits[:, [k for k in range(classes) if k != index]].double(), 1) for index in range(classes)]
    return logits.double() - torch.stack(others, 1)
