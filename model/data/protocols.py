"""Protocols of imbalance: how many faces of each class a training set keeps.

The paper's rule: with the classes sorted by count, ``n'_l = round(n_l mu^l)`` for l = 0..6. The imbalance factor is the
largest count over the smallest. Where the factor asked for is below the set's own, the rule would have to add faces of the
less frequent classes; then the frequent ones are capped at factor times the smallest count, as the paper does for FERPlus 50.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.paper import published_counts

ORIGINAL = "original"


def decayed_counts(counts: Sequence[int], mu: float) -> tuple[int, ...]:
    """``round(n_l mu^l)`` of each class, l being its place by count, most frequent first; the order of ``counts`` is kept.

    Raises:
        ValueError: mu is not in (0, 1].
    """
    if not 0 < mu <= 1:
        raise ValueError(f"mu must be in (0, 1], not {mu:g}")
    ranks = {index: rank for rank, index in enumerate(sorted(range(len(counts)), key=lambda index: -counts[index]))}
    return tuple(round(count * mu ** ranks[index]) for index, count in enumerate(counts))


def counts_at_factor(counts: Sequence[int], factor: float) -> tuple[int, ...]:
    """Counts whose largest is ``factor`` times the smallest, up to rounding, out of ``counts`` available.

    Raises:
        InputError: an empty class, or so large a factor that a class would be left without a face.
    """
    largest, smallest = max(counts), min(counts)
    if smallest == 0:
        raise InputError("a class without faces has no imbalance factor")
    if factor * smallest <= largest:
        cap = round(factor * smallest)
        return tuple(min(count, cap) for count in counts)
    thinned = decayed_counts(counts, (largest / (smallest * factor)) ** (1 / (len(counts) - 1)))
    if min(thinned) == 0:
        raise InputError(f"at an imbalance factor of {factor:g} the rarest class would have no face left")
    return thinned


def protocol_name(imbalance: str) -> str:
    """The one spelling of a protocol: ``original``, or a factor without idle digits, so that ``150.0`` is the published ``150``.

    Raises:
        InputError: neither ``original`` nor a number from 1 up.
    """
    return ORIGINAL if imbalance == ORIGINAL else repr(_factor(imbalance)).removesuffix(".0")


def protocol_counts(dataset: str, imbalance: str, available: Sequence[int]) -> tuple[int, ...]:
    """Faces to keep of each class under a protocol.

    Args:
        dataset: its name; the published counts of ``ferplus`` and ``rafdb`` are used as printed.
        imbalance: ``original``, or an imbalance factor such as ``50``.
        available: faces of each class in the whole training set, in the order of ``EXPRESSIONS``.

    Raises:
        InputError: not a protocol, or the training set has fewer faces than the published counts.
    """
    if imbalance == ORIGINAL:
        return tuple(available)
    published = published_counts(dataset, protocol_name(imbalance))
    wanted = tuple(published[name] for name in EXPRESSIONS) if published else counts_at_factor(available, _factor(imbalance))
    for name, needed, present in zip(EXPRESSIONS, wanted, available, strict=True):
        if needed > present:
            raise InputError(f"{dataset} at imbalance {imbalance} needs {needed} faces of {name}, this training set has {present}")
    return wanted


def _factor(imbalance: str) -> float:
    try:
        factor = float(imbalance)
    except ValueError:
        raise InputError(f"unknown imbalance {imbalance!r}: give 'original' or an imbalance factor, such as 50, 100 or 150") from None
    if not factor >= 1 or math.isinf(factor):
        raise InputError(f"an imbalance factor is a number from 1 up, not {factor:g}")
    return factor
