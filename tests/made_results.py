"""Result records made for tests: seven test faces, one a class."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from model.expressions import EXPRESSIONS
from model.measuring.results import Predictions, RunResult
from model.methods.registry import METHODS


def make_result_fields(
    method: str = "baseline",
    dataset: str = "ferplus",
    imbalance: str = "original",
    seed: int = 1,
    epochs: int = 10,
    right: tuple[str, ...] = EXPRESSIONS[:5],
    precision: str = "32-true",
    settings: dict[str, Any] | None = None,
    counts: tuple[int, ...] = (8740, 7287, 3149, 3014, 2100, 532, 119),
    lr: float = 2e-4,
) -> dict[str, Any]:
    """Of a model that is right on the classes ``right``, says neutral of the others' faces and happiness of a neutral one."""
    said = [row if name in right else int(row == 0) for row, name in enumerate(EXPRESSIONS)]
    confusion = [[int(column == answer) for column in range(7)] for answer in said]
    accuracies = {"overall": len(right) / 7, "mean": len(right) / 7, "per_class": {name: float(name in right) for name in EXPRESSIONS}}
    metrics = {
        **accuracies,
        "faces": 7,
        "macro_average_precision": 0.8,
        "confusion": confusion,
        "flip_consistency": {"mean": 0.9, "per_class": dict.fromkeys(EXPRESSIONS, 0.9)},
        "logit_adjusted": {"1": {"overall": 0.25, "mean": 0.5, "per_class": dict.fromkeys(EXPRESSIONS, 0.5)}},
        "intervals": {"overall": [0.25, 0.75], "mean": [0.125, 0.875]},
    }
    return {
        "command": "unturned train",
        "method": method,
        "dataset": dataset,
        "imbalance": imbalance,
        "network": "dlib_resnet",
        "input_size": 99,
        "epochs": epochs,
        "batch": 64,
        "seed": seed,
        "revision": "0" * 40,
        "seconds": 100.0,
        "versions": {"torch": "2"},
        "machine": {"cpu": "some", "threads": 1, "accelerator": None},
        "training_counts": dict(zip(EXPRESSIONS, counts, strict=True)),
        "hyperparameters": {
            "lr": lr,
            "weight_decay": 1e-3,
            "precision": precision,
            "parts": 1,
            "settings": (asdict(METHODS[method].Settings()) if method in METHODS else {}) | (settings or {}),
        },
        "learning_curve": [{"epoch": 1, "seconds": 10.0}],
        "valid": None,
        "test": metrics,
    }


def make_result(**fields: Any) -> RunResult:
    """A whole result; see :func:`make_result_fields`."""
    return RunResult(**make_result_fields(**fields))


def make_predicted_result(labels: str, predicted: str, **fields: Any) -> RunResult:
    """A result with these labels and predictions, digits of ``EXPRESSIONS``; a class without a face has accuracy 0."""
    whole = make_result_fields(**fields)
    pairs = list(zip(labels, predicted, strict=True))
    confusion = [[pairs.count((str(row), str(column))) for column in range(7)] for row in range(7)]
    right = [confusion[row][row] / (sum(confusion[row]) or 1) for row in range(7)]
    whole["test"] |= {
        "faces": len(labels),
        "confusion": confusion,
        "overall": sum(confusion[row][row] for row in range(7)) / len(labels),
        "mean": sum(right) / 7,
        "per_class": dict(zip(EXPRESSIONS, right, strict=True)),
    }
    return RunResult(**whole, test_predictions=Predictions(labels=labels, predicted=predicted))
