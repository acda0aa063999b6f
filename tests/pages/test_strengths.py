"""What a model is good and bad at, from figures made by hand."""

from __future__ import annotations

from typing import Any

from app.pages.strengths import strengths
from model.expressions import EXPRESSIONS

PLAIN = dict(zip(EXPRESSIONS, (0.9, 0.95, 0.85, 0.7, 0.8, 0.5, 0.4), strict=True))


def measured(right: dict[str, float]) -> dict[str, Any]:
    """Ten faces a class; those named wrong are called anger, anger's own surprise."""
    confusion = [[0] * 7 for _ in EXPRESSIONS]
    for index, name in enumerate(EXPRESSIONS):
        confusion[index][index] = round(10 * right[name])
        confusion[index][EXPRESSIONS.index("surprise" if name == "anger" else "anger")] += 10 - round(10 * right[name])
    return {"per_class": right, "confusion": confusion}


def test_both_ends_and_the_usual_error_are_named() -> None:
    assert strengths(measured(PLAIN), None) == (
        "It is best at happiness (95 % of 10 faces) and neutral (90 % of 10 faces), and worst at fear (50 % of 10 faces) and "
        "disgust (40 % of 10 faces), the others mostly taken for anger."
    )


def test_the_largest_gain_and_loss_against_plain_training_are_named() -> None:
    plain = ("baseline_10", measured(PLAIN))
    told = strengths(measured(PLAIN | {"fear": 0.625, "sadness": 0.6}), plain)
    assert told.endswith("Against baseline_10 it gains most on fear (+12.5 points) and loses most on sadness (−10.0 points).")
    assert strengths(measured(PLAIN | {"fear": 0.6}), plain).endswith("it gains most on fear (+10.0 points).")
    assert strengths(measured(PLAIN), plain).endswith("Its accuracy is that of baseline_10 for every class.")


def test_a_class_without_errors_and_a_model_without_a_matrix() -> None:
    assert "mostly taken" not in strengths(measured(dict.fromkeys(EXPRESSIONS, 1.0)), None)
    assert strengths({"per_class": PLAIN}, None).endswith("disgust (40 %).")
