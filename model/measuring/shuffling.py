"""Random weights as strong as the trained ones: the same numbers in a random order."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


@torch.inference_mode(False)  # or they would be fit for nothing that needs a gradient, as some maps do
def shuffle(parameters: Iterable[nn.Parameter], generator: torch.Generator) -> None:
    """Put the numbers of each parameter into a random order, in place; nothing learnt is left in what is given."""
    for parameter in parameters:
        order = torch.randperm(parameter.numel(), generator=generator)
        parameter.data = parameter.data.flatten()[order].view_as(parameter)
