"""What a model is good and bad at, in two sentences worked out from its figures on the test faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.numbers import decimal
from model.expressions import EXPRESSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDS = 2  # classes named at either end


def strengths(test: Mapping[str, Any], plain: tuple[str, Mapping[str, Any]] | None) -> str:
    """Two sentences; one for a plain model itself.

    Args:
        test: figures of the test split, as a checkpoint's metadata has them.
        plain: name and figures of the plain model to compare with; None for a plain model or where there is none.
    """
    by_class = test["per_class"]
    ranked = sorted(by_class, key=lambda name: -by_class[name])
    best, worst = (" and ".join(_accuracy(test, name) for name in names) for names in (ranked[:ENDS], ranked[-ENDS:]))
    told = f"It is best at {best}, and worst at {worst}{_mistaken(test, ranked[-1])}."
    return told if plain is None else f"{told} {_against(by_class, plain[0], plain[1]['per_class'])}"


def _accuracy(test: Mapping[str, Any], name: str) -> str:
    row = _row(test, name)
    counted = f" of {sum(row)} faces" if row else ""
    return f"{name} ({100 * test['per_class'][name]:.0f} %{counted})"


def _mistaken(test: Mapping[str, Any], name: str) -> str:
    """What the faces of a class that are classified wrongly are mostly taken for; nothing where there are none."""
    row = _row(test, name)
    wrong = {other: count for other, count in zip(EXPRESSIONS, row, strict=False) if other != name}
    return f", the others mostly taken for {max(wrong, key=lambda other: wrong[other])}" if any(wrong.values()) else ""


def _row(test: Mapping[str, Any], name: str) -> list[int]:
    """Predictions of the faces of a class; empty where no confusion matrix was kept."""
    confusion = test.get("confusion") or ()
    return list(confusion[EXPRESSIONS.index(name)]) if confusion else []


def _against(own: Mapping[str, float], name: str, plain: Mapping[str, float]) -> str:
    change = {expression: 100 * (own[expression] - plain[expression]) for expression in own}
    most, least = max(change, key=change.__getitem__), min(change, key=change.__getitem__)
    told = [f"gains most on {_points(change, most)}"] if change[most] > 0 else []
    told += [f"loses most on {_points(change, least)}"] if change[least] < 0 else []
    return f"Against {name} it {' and '.join(told)}." if told else f"Its accuracy is that of {name} for every class."


def _points(change: Mapping[str, float], name: str) -> str:
    return f"{name} ({decimal(change[name], 1, signed=True)} points)"
