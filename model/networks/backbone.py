"""What every backbone is: a trunk, then one or more parallel copies of the last residual block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Backbone(nn.Module, ABC):
    """Pictures ``(N, 3, S, S)``, RGB in 0..255, to the last feature map ``(N, channels, h, w)``, non-negative.

    ``tails`` holds the copies of the last block, whose outputs are concatenated along the channels: one, except for the bilateral-branch
    method (BBN), which trains two. ``channels`` counts those of all copies.
    """

    tails: nn.ModuleList
    channels: int

    @abstractmethod
    def trunk(self, x: Tensor) -> Tensor:
        """Everything below the last residual block: ``(N, 3, S, S)`` -> ``(N, C, h, w)``."""

    def forward(self, x: Tensor) -> Tensor:
        shared = self.trunk(x)
        if len(self.tails) == 1:
            features: Tensor = self.tails[0](shared)
            return features
        return torch.cat([tail(shared) for tail in self.tails], dim=1)


def prepare_for_inference(network: nn.Module) -> None:
    """Make a network in evaluation mode cheaper to call without changing what it computes, beyond rounding; it cannot be trained any more.

    Every BatchNorm becomes part of the convolution before it (every backbone here registers the two one after the other), and the weights
    are laid out channels last, as oneDNN reads them fastest.
    """
    for module in list(network.modules()):
        children = list(module.named_children())
        for (conv_name, conv), (norm_name, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity().eval())
    network.to(memory_format=torch.channels_last)
