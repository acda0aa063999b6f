"""A network's head as a model of its own in PyTorch, for :mod:`app.explaining.other_maps`."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from model.maps.measures import centred


class HeadAlone(nn.Module):
    """The head on given features; ``features`` is the layer whose activations and gradients the methods read."""

    def __init__(self, head: nn.Module, centre: bool) -> None:
        super().__init__()
        self.features = nn.Identity()
        self.head = copy.deepcopy(head)
        self.centre = centre

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(features.detach().requires_grad_()))
        return centred(logits) if self.centre else logits
