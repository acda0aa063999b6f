"""Backbones: each maps RGB pictures ``(N, 3, S, S)`` in 0..255 to their last feature map."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from model.errors import InputError
from model.networks import dlib_resnet, resnet18


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

    def centre(self, cell: float) -> float:
        """Input pixel (from the left or top edge) at the centre of a cell."""
        return self.first + self.step * cell


_MODULES: dict[str, ModuleType] = {"dlib_resnet": dlib_resnet, "resnet18": resnet18}
_CLASSES: dict[str, type[dlib_resnet.DlibResNet | resnet18.ResNet18]] = {
    "dlib_resnet": dlib_resnet.DlibResNet,
    "resnet18": resnet18.ResNet18,
}
NETWORKS = tuple(_CLASSES)
SMALLEST_INPUT, LARGEST_INPUT = 32, 512  # pixels; of 48x48 faces more would be enlargement alone

Network = dlib_resnet.DlibResNet | resnet18.ResNet18


def build_network(name: str, tails: int = 1) -> Network:
    """An untrained backbone by name.

    Raises:
        InputError: unknown name; the message lists the known ones.
    """
    _check_name(name)
    return _CLASSES[name](tails=tails)


def network_grid(name: str, input_size: int) -> Grid:
    """The sampling grid of a backbone at an input size in pixels."""
    module = _MODULES[name]
    return Grid(first=module.GRID_FIRST, step=module.GRID_STEP, input=input_size)


def smallest_input(name: str) -> int:
    """The smallest side of a backbone's input, in pixels: no less than a map of one cell needs.

    Raises:
        InputError: unknown name.
    """
    _check_name(name)
    return max(SMALLEST_INPUT, 2 * int(_MODULES[name].GRID_FIRST) + 1)


def _check_name(name: str) -> None:
    if name not in _CLASSES:
        raise InputError(f"unknown network {name!r}: choose one of {', '.join(NETWORKS)}")


__all__ = ["LARGEST_INPUT", "NETWORKS", "SMALLEST_INPUT", "Grid", "Network", "build_network", "network_grid", "smallest_input"]
