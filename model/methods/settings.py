"""The constants of every method with their defaults and ranges, apart from the methods: the tables read them without PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from model.errors import InputError

SMALLEST_TEMPERATURE = 0.01


@dataclass(frozen=True)
class NoSettings:
    """Settings of a method that has none; each method's own class lists its hyperparameters with their defaults."""


def check_ranges(settings: Any, **limits: tuple[float, float]) -> None:
    """Hold settings against the smallest and the largest value each may have.

    Raises:
        InputError: one is outside, infinite, or not a number.
    """
    for name, (low, high) in limits.items():
        value = getattr(settings, name)
        if not (math.isfinite(value) and low <= value <= high):
            bounds = f"{low:g} or more" if high == math.inf else f"{low:g} to {high:g}"
            raise InputError(f"setting {name} must be {bounds}, not {value:g}")


def check_pair_share(share: float) -> None:
    """Hold the setting ``pair_share`` against (0, 1].

    Raises:
        InputError: it is outside.
    """
    if not 0 < share <= 1:
        raise InputError(f"setting pair_share must be above 0 and at most 1, not {share:g}")


@dataclass(frozen=True)
class CbSettings:
    """``beta`` in [0, 1): 0 is the baseline, towards 1 the weights become inverse frequencies. ``reweight_from`` is the part of the run
    after which faces are weighted: 0 for all of it."""

    beta: float = 0.999
    reweight_from: float = 0.0

    def __post_init__(self) -> None:
        check_ranges(self, reweight_from=(0, 1))
        if not 0 <= self.beta < 1:
            raise InputError(f"setting beta must be 0 or more and below 1, not {self.beta:g}")


@dataclass(frozen=True)
class ScnSettings:
    """``high_share`` of a batch is its confident group, ``margin`` is m1, ``relabel_margin`` m2, ``relabel_from`` the part of the run
    after which labels may change, ``relabel_all`` whether the confident group's may, too."""

    high_share: float = 0.7
    margin: float = 0.07
    relabel_margin: float = 0.2
    relabel_from: float = 0.5
    relabel_all: bool = False

    def __post_init__(self) -> None:
        check_ranges(self, high_share=(0, 1), margin=(0, 1), relabel_margin=(0, 1), relabel_from=(0, 1))


@dataclass(frozen=True)
class RulSettings:
    """``dimensions`` of the feature and of the uncertainty, ``dropout`` of the feature map before both."""

    dimensions: int = 64
    dropout: float = 0.4

    def __post_init__(self) -> None:
        check_ranges(self, dimensions=(1, math.inf), dropout=(0, 1))


@dataclass(frozen=True)
class SoftSettings:
    """``smoothing`` is eps, ``teaching`` is c0, ``ramp`` is R as a part of the run."""

    smoothing: float = 0.35
    teaching: float = 5.0
    ramp: float = 1 / 3

    def __post_init__(self) -> None:
        check_ranges(self, smoothing=(0, 1), teaching=(0, math.inf), ramp=(0.01, 1))


@dataclass(frozen=True)
class EacSettings:
    """``consistency`` is lambda, ``pair_share`` the part of a batch whose mirror image is also seen."""

    consistency: float = 0.05
    pair_share: float = 0.25

    def __post_init__(self) -> None:
        check_ranges(self, consistency=(0, math.inf))
        check_pair_share(self.pair_share)


@dataclass(frozen=True)
class MekSettings:
    """``consistency`` is lambda, ``smoothing`` is e, ``pair_share`` the part of a batch whose mirror image is also seen."""

    consistency: float = 0.0005
    smoothing: float = 0.02
    pair_share: float = 0.25

    def __post_init__(self) -> None:
        check_ranges(self, consistency=(0, math.inf), smoothing=(0, 1))
        check_pair_share(self.pair_share)


@dataclass(frozen=True)
class MekScaleFreeSettings:
    """``consistency`` is lambda, ``adjustment`` is tau, ``smoothing`` is RSL's e, ``pair_share`` the part of a batch seen in the
    mirror too."""

    consistency: float = 0.5
    adjustment: float = 0.3
    smoothing: float = 0.0
    pair_share: float = 0.25

    def __post_init__(self) -> None:
        check_ranges(self, consistency=(0, math.inf), adjustment=(0, math.inf), smoothing=(0, 1))
        check_pair_share(self.pair_share)


@dataclass(frozen=True)
class ContrastiveConsistencySettings:
    """``consistency`` is lambda, ``contrast`` kappa, ``agreement`` mu, ``adjustment`` tau; ``temperature`` divides the cosines of the
    contrast; ``pair_share`` is the part of a batch seen in the mirror too. ``distillation`` is the part that the teachers' answers have in
    the loss of the labels, ``softening`` the temperature of both sides of it."""

    consistency: float = 0.5
    contrast: float = 0.1
    temperature: float = 0.2
    agreement: float = 2.0
    adjustment: float = 0.3
    pair_share: float = 0.25
    distillation: float = 0.0
    softening: float = 2.0

    def __post_init__(self) -> None:
        positive = (0, math.inf)
        check_ranges(self, consistency=positive, contrast=positive, agreement=positive, adjustment=positive)
        check_ranges(self, temperature=(SMALLEST_TEMPERATURE, math.inf), softening=(SMALLEST_TEMPERATURE, math.inf), distillation=(0, 1))
        check_pair_share(self.pair_share)


# Every method by name, in the order of choices, tables and pages.
_OF_METHODS: dict[str, type[Any]] = {
    "baseline": NoSettings,
    "cb": CbSettings,
    "scn": ScnSettings,
    "bbn": NoSettings,
    "rul": RulSettings,
    "soft": SoftSettings,
    "eac": EacSettings,
    "mek": MekSettings,
    "mek_sf": MekScaleFreeSettings,
    "cac": ContrastiveConsistencySettings,
    "votes": NoSettings,
    "mek_votes": MekSettings,
}
METHOD_NAMES = tuple(_OF_METHODS)
PLAIN = "baseline"  # the method that the others are set against
# Constants that a method had when some recorded runs were done, and the value that left them out.
_RETIRED: dict[str, dict[str, Any]] = {"cac": {"ensembling": 0.0, "momentum": 0.8}}


def find_settings(method: str) -> type[Any]:
    """The class of a method's constants.

    Raises:
        InputError: unknown name; the message lists the known ones.
    """
    if method not in METHOD_NAMES:
        raise InputError(f"unknown method {method!r}: choose one of {', '.join(METHOD_NAMES)}")
    return _OF_METHODS[method]


def usual_settings(method: str) -> dict[str, Any]:
    """A method's constants by name as they are unless chosen, with those that it no longer has but recorded runs name.

    Raises:
        InputError: unknown name.
    """
    return asdict(find_settings(method)()) | _RETIRED.get(method, {})


def whole_settings(method: str, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """All constants of a recorded run: where it is from before a constant was there, it had the value that leaves it out, the default.

    Raises:
        InputError: unknown name.
    """
    return usual_settings(method) | dict(recorded)
