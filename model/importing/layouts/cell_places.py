"""Where the cells of a convolutional network's last map lie, measured by its symmetry."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from model.errors import InputError
from model.measuring.symmetric_kernels import Network, with_symmetric_kernels

TOLERANCE = 1e-3  # of the largest value
CELLS = 3  # of the smallest input tried


def refuse_padding_by_size(network: nn.Module) -> None:
    """Whether all windows are padded alike at any size of the input.

    Raises:
        InputError: some are padded as TensorFlow does, so that the cells stand at other places for another size, and off the middle.
    """
    odd = next((type(module).__name__ for module in network.modules() if type(module).__name__.endswith("Same")), None)
    if odd is not None:
        raise InputError(f"{odd} pads by the size of the input, at one side more than at the other: where its cells lie is not known here")


@torch.no_grad()
def first_cell(network: Network, features: Callable[[Network, Tensor], Tensor], step: int) -> float | None:
    """Input pixel at which cell 0 is centred.

    With kernels made symmetric, a network turns a mirrored picture into mirrored features where its cells stand symmetric about the middle
    of the input, and hardly elsewhere: so sizes are tried until it does.

    Args:
        network: in evaluation mode; a copy is changed.
        features: the network's, ``(N, C, h, w)`` of ``(N, 3, S, S)``.
        step: input pixels between two cells.

    Returns:
        None where no size shows it, as of layers that know left from right.
    """
    symmetric = with_symmetric_kernels(network)
    generator = torch.Generator().manual_seed(0)
    for size in range((CELLS - 1) * step + 1, (CELLS + 2) * step):
        picture = torch.rand(1, 3, size, size, generator=generator)
        try:
            seen = features(symmetric, torch.cat([picture, picture.flip(3)]))
        except (RuntimeError, InputError):  # too small for this network
            continue
        alike = (seen[0].flip(2) - seen[1]).abs().max() <= TOLERANCE * seen.abs().max()
        if alike and (seen.amax(3) > seen.amin(3)).any():  # one cell, or cells that are all the same, are symmetric anywhere
            return (size - 1 - step * (seen.shape[3] - 1)) / 2
    return None
