"""Backbones: each maps RGB pictures ``(N, 3, S, S)`` in 0..255 to their last feature map."""

from __future__ import annotations

from model.networks import check_name
from model.networks.dlib_resnet import DlibResNet
from model.networks.resnet18 import ResNet18

Network = DlibResNet | ResNet18

_CLASSES: dict[str, type[Network]] = {"dlib_resnet": DlibResNet, "resnet18": ResNet18}


def build_network(name: str, tails: int = 1) -> Network:
    """An untrained backbone by name.

    Raises:
        InputError: unknown name; the message lists the known ones.
    """
    check_name(name)
    return _CLASSES[name](tails=tails)
