"""A network without what it learnt of left and right."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from torch import nn

from model.classifier import PositionalHead

Network = TypeVar("Network", bound=nn.Module)


def with_symmetric_kernels(network: Network) -> Network:
    """A copy whose kernels are each averaged with its mirror image: of convolutions, and of a head with a weight for every cell.

    What it makes of a mirrored picture is mirrored, unless the grid on which its layers sample lies off the picture's centre.
    """
    copy = deepcopy(network)
    for module in copy.modules():
        if isinstance(module, nn.Conv2d | PositionalHead):
            module.weight.data = (module.weight.data + module.weight.data.flip(-1)) / 2
    return copy
