"""The training methods by name."""

from __future__ import annotations

from model.methods.base import Method
from model.methods.baseline import Baseline
from model.methods.mek import Mek
from model.methods.mek_sf import MekScaleFree

METHODS: dict[str, type[Method]] = {method.name: method for method in (Baseline, Mek, MekScaleFree)}


def find_method(name: str) -> type[Method]:
    """A method's class.

    Raises:
        ValueError: unknown name; the message lists the known ones.
    """
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}: choose one of {', '.join(METHODS)}")
    return METHODS[name]
