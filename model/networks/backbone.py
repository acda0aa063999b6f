"""What every backbone is: a trunk, then one or more parallel copies of the last residual block."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


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
