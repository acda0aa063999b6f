"""Explainers of checkpoints that a test has in PyTorch, and may have changed."""

from __future__ import annotations

from collections.abc import Mapping

from app.explaining.explainer import Explainer
from model.reference import ReferenceCheckpoint, ReferencePredictor


def reference_explainer(loaded: Mapping[str, ReferenceCheckpoint], ours: str) -> Explainer:
    """One that runs the checkpoints' own classifiers."""
    predictors = {name: ReferencePredictor(made.classifier, made.metadata.input_size) for name, made in loaded.items()}
    return Explainer(loaded, ours, predictors)
