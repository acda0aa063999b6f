"""CB: weights of the effective number of faces."""

from __future__ import annotations

import math

import pytest
import torch

from model.methods.baseline import Baseline
from model.methods.cb import ClassBalanced, effective_number_weights
from model.methods.settings import CbSettings, NoSettings
from tests.methods.cases import FERPLUS_COUNTS, batch_of, classifier_of, pixels, task_of


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (0.99, (0.941, 0.941, 0.941, 0.941, 0.941, 0.946, 1.349)),
        (0.999, (0.423, 0.423, 0.441, 0.444, 0.481, 1.024, 3.764)),
        (0.9999, (0.0998, 0.1124, 0.2154, 0.2236, 0.3072, 1.123, 4.919)),
        (0.99999, (0.0715, 0.0852, 0.1931, 0.2016, 0.2880, 1.128, 5.033)),
    ],
)
def test_weights_of_ferplus(beta: float, expected: tuple[float, ...]) -> None:
    assert effective_number_weights(FERPLUS_COUNTS, beta).tolist() == pytest.approx(expected, abs=6e-4)


def test_the_loss_is_divided_by_the_faces_and_not_by_their_weights() -> None:
    method = ClassBalanced(classifier_of([[1.0], [0.0]]), task_of((3, 1)), CbSettings(beta=0.5))
    # E = (1 - 1/8) / (1/2) = 7/4 and 1; inverses 4/7 and 1, rescaled to the sum 2: 8/11 and 14/11.
    # Cross-entropies ln 2, ln 2 (label 0) and ln 8 (label 1): (8/11 + 8/11 + 3 * 14/11) ln 2 / 3 = 58/33 ln 2. Unweighted it would be
    # 5/3 ln 2, and divided by the weights 58/30 ln 2.
    loss = method(batch_of(pixels(0.0, 0.0, math.log(7)), [0, 0, 1]))["loss"]
    assert loss.item() == pytest.approx(58 / 33 * math.log(2))


def test_beta_zero_is_the_baseline() -> None:
    classifier, task, batch = classifier_of([[1.0], [0.0]]), task_of((30, 1)), batch_of(pixels(0.3, -1.0, 2.0), [0, 1, 1])
    plain = Baseline(classifier, task, NoSettings())(batch)["loss"]
    assert torch.equal(ClassBalanced(classifier, task, CbSettings(beta=0.0))(batch)["loss"], plain)


def test_deferred_weights_start_after_their_part_of_the_run() -> None:
    method = ClassBalanced(classifier_of([[1.0], [0.0]]), task_of((3, 1), epochs=10), CbSettings(beta=0.5, reweight_from=0.8))
    batch = batch_of(pixels(0.0, 0.0, math.log(7)), [0, 0, 1])
    for epoch, expected in ((1, 5 / 3), (8, 5 / 3), (9, 58 / 33), (10, 58 / 33)):
        method.begin_epoch(epoch)
        assert method(batch)["loss"].item() == pytest.approx(expected * math.log(2))


def test_a_class_without_a_face_leaves_the_weights_finite() -> None:
    assert effective_number_weights((5, 0), 0.9).isfinite().all()
