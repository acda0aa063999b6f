"""Baseline: plain cross-entropy."""

from __future__ import annotations

import math

import pytest

from model.methods.baseline import Baseline
from model.methods.settings import NoSettings
from tests.methods.cases import batch_of, classifier_of, pixels, task_of


def test_the_loss_is_the_mean_cross_entropy() -> None:
    method = Baseline(classifier_of([[1.0], [0.0]]), task_of((3, 1)), NoSettings())
    # x = 0: p = (1/2, 1/2), label 0: ln 2. x = ln 3: p = (3/4, 1/4), label 1: ln 4. Mean: 1.5 ln 2.
    loss = method(batch_of(pixels(0.0, math.log(3)), [0, 1]))["loss"]
    assert loss.item() == pytest.approx(1.5 * math.log(2))
