"""The backbones by name, and where the cells of their maps lie; :mod:`model.networks.build` makes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError


@dataclass(frozen=True)
class Grid:
    """Where the cells of a map lie on the network's input: cell ``i`` is centred at pixel ``first + step * i`` of ``input`` pixels."""

    first: int
    step: int
    input: int

    @property
    def cells(self) -> int:
        """Cells on a side of the map."""
        return (self.input - 2 * self.first - 1) // self.step + 1

    @property
    def centred(self) -> bool:
        """Whether the cells lie as far from one edge as from the other, so that those of a mirror image fall on those of the picture."""
        return 2 * self.first + self.step * (self.cells - 1) == self.input - 1

    def centre(self, cell: float) -> float:
        """Input pixel (from the left or top edge) at the centre of a cell."""
        return self.first + self.step * cell

    def share(self, cell: float) -> float:
        """Where the centre of a cell lies, 0..1 of the input's side: pixel p covers p..p+1."""
        return (self.centre(cell) + 0.5) / self.input

    def positions(self, side: int) -> NDArray[np.float64]:
        """Where the pixels of a picture that covers the input lie, ``(side,)``, in cells: 0 at the centre of the first."""
        return np.asarray(((np.arange(side) + 0.5) * self.input / side - 0.5 - self.first) / self.step)


# First centre and step, in input pixels. ResNet-18 begins at 0, since every layer of stride 2 is padded.
_GRIDS = {"dlib_resnet": (17, 16), "resnet18": (0, 32)}
NETWORKS = tuple(_GRIDS)
SMALLEST_INPUT, LARGEST_INPUT = 32, 512  # pixels; of 48x48 faces more would be enlargement alone


def network_grid(name: str, input_size: int) -> Grid:
    """The sampling grid of a backbone at an input size in pixels."""
    first, step = _GRIDS[name]
    return Grid(first, step, input_size)


def smallest_input(name: str) -> int:
    """The smallest side of a backbone's input, in pixels: no less than a map of one cell needs.

    Raises:
        InputError: unknown name; the message lists the known ones.
    """
    check_name(name)
    return max(SMALLEST_INPUT, 2 * _GRIDS[name][0] + 1)


def check_name(name: str) -> None:
    """Refuse a name that no backbone has.

    Raises:
        InputError: the message lists the known ones.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}: choose one of {', '.join(NETWORKS)}")
