"""MEK, its scale-free form and its form with votes."""

from __future__ import annotations

import math

import pytest
import torch

from model.methods.attention_consistency import inverse_frequency_weights
from model.methods.baseline import Baseline
from model.methods.eac import Eac
from model.methods.mek import Mek, smooth_targets
from model.methods.mek_sf import MekScaleFree
from model.methods.mek_votes import MekVotes
from model.methods.settings import EacSettings, MekScaleFreeSettings, MekSettings, NoSettings
from tests.methods.cases import FERPLUS_COUNTS, Offset, batch_of, classifier_of, gradient, task_of

FACE = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)
COUNTS = (6, 2)  # w = 8/60 and 8/20


def mek(consistency: float, smoothing: float, counts: tuple[int, ...] = COUNTS) -> Mek:
    classifier = classifier_of([[1.0], [2.0]], Offset(torch.tensor([0.0, 1.0])))
    return Mek(classifier, task_of(counts), MekSettings(consistency, smoothing))


def test_the_loss_of_one_face() -> None:
    # The maps of EAC's hand-worked case: gaps 1 and 4, logits 2.5 and 5. RAC = 8/60 * 1 + 8/20 * 4 = 26/15.
    # RSL with e = 0.1, label 0, targets 0.9 and 0.1: 0.9 ln(1 + e^2.5) + 0.1 ln(1 + e^-2.5).
    losses = mek(0.1, 0.1)(batch_of(FACE, [0]))
    assert losses["consistency"].item() == pytest.approx(26 / 15)
    rsl = 0.9 * math.log(1 + math.exp(2.5)) + 0.1 * math.log(1 + math.exp(-2.5))
    assert losses["loss"].item() == pytest.approx(rsl + 0.1 * 26 / 15)


def test_without_smoothing_and_consistency_it_is_the_baseline() -> None:
    method = mek(0.0, 0.0)
    plain = Baseline(method.classifier, method.task, NoSettings())(batch_of(FACE, [1]))["loss"]
    assert method(batch_of(FACE, [1]))["loss"].item() == pytest.approx(plain.item(), rel=1e-6)


def test_with_equal_weights_of_one_the_consistency_is_classes_times_that_of_eac() -> None:
    method = mek(1.0, 0.0, (10, 10))
    method.weights.fill_(1.0)
    eac = Eac(method.classifier, method.task, EacSettings())
    batch = batch_of(FACE, [0])
    assert method(batch)["consistency"].item() == pytest.approx(2 * eac(batch)["consistency"].item())


def test_consistency_does_not_teach_the_classifier_weight() -> None:
    method = mek(1.0, 0.1)
    method(batch_of(FACE, [0]))["consistency"].backward()
    assert method.pooled_head.weight.grad is None
    assert gradient(next(method.classifier.network.parameters())).abs().min() > 0


def test_weights_of_ferplus() -> None:
    expected = (0.285, 0.342, 0.792, 0.828, 1.188, 4.688, 20.96)
    assert inverse_frequency_weights(FERPLUS_COUNTS).tolist() == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize(
    ("label", "expected"),
    [(0, (0.90, 0.0012, 0.0028, 0.0029, 0.0041, 0.0163, 0.0728)), (6, (0.0035, 0.0042, 0.0098, 0.0102, 0.0146, 0.0577, 0.90))],
)
def test_smoothed_targets_of_ferplus(label: int, expected: tuple[float, ...]) -> None:
    target = smooth_targets(torch.tensor([label]), inverse_frequency_weights(FERPLUS_COUNTS), 0.1)[0]
    assert target.tolist() == pytest.approx(expected, abs=1e-4)


def test_smoothed_targets_sum_to_one() -> None:
    targets = smooth_targets(torch.arange(7), inverse_frequency_weights(FERPLUS_COUNTS), 0.3)
    assert targets.sum(1).tolist() == pytest.approx([1.0] * 7)


def scale_free(consistency: float, adjustment: float, smoothing: float = 0.0) -> MekScaleFree:
    offset = torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 0.0]]).view(2, 1, 3)
    classifier = classifier_of([[1.0, 0.0], [0.0, 1.0]], Offset(offset))
    return MekScaleFree(classifier, task_of(COUNTS), MekScaleFreeSettings(consistency, adjustment, smoothing))


SF_FACE = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]).view(1, 2, 1, 3)


def test_the_scale_free_loss_of_one_face() -> None:
    # Class 0: map (0, 0, 3), of the mirror image mapped back (3, 0, 0). Deviations (-1, -1, 2) and (2, -1, -1): Pearson -3/6 = -1/2.
    # Class 1: map (1, 2, 3) both times: Pearson 1. Weights 1/4 and 3/4: 1/4 * 3/2 = 3/8.
    # Logits 1 and 2, plus log prior ln 3/4 and ln 1/4, label 0: ln(1 + e^1 / 3).
    losses = scale_free(0.5, 1.0)(batch_of(SF_FACE, [0]))
    assert losses["consistency"].item() == pytest.approx(3 / 8, abs=1e-5)
    assert losses["loss"].item() == pytest.approx(math.log(1 + math.e / 3) + 0.5 * 3 / 8, abs=1e-5)


def test_the_scale_free_consistency_does_not_fall_when_maps_shrink() -> None:
    method = scale_free(1.0, 0.0)
    before = method(batch_of(SF_FACE, [0]))["consistency"].item()
    with torch.no_grad():
        method.pooled_head.weight.mul_(0.5)
    assert method(batch_of(SF_FACE, [0]))["consistency"].item() == pytest.approx(before, rel=1e-4)


def test_the_scale_free_form_without_its_terms_is_the_baseline() -> None:
    method = scale_free(0.0, 0.0)
    plain = Baseline(method.classifier, method.task, NoSettings())(batch_of(SF_FACE, [1]))["loss"]
    assert method(batch_of(SF_FACE, [1]))["loss"].item() == pytest.approx(plain.item(), rel=1e-6)


def seven_classes() -> list[list[float]]:
    return [[float(index)] for index in range(7)]


def test_with_unanimous_votes_the_form_with_votes_is_mek() -> None:
    votes = torch.tensor([[0, 0, 0, 10, 0, 0, 0, 0, 0, 0]])  # sadness, which is index 3 in both orders
    settings = MekSettings(0.1, 0.2)
    task = task_of((8, 7, 6, 5, 4, 3, 2), votes=votes)
    batch = batch_of(FACE, [3])
    network = Offset(torch.tensor([0.0, 1.0]))
    expected = Mek(classifier_of(seven_classes(), network), task, settings)(batch)["loss"].item()
    assert MekVotes(classifier_of(seven_classes(), network), task, settings)(batch)["loss"].item() == pytest.approx(expected)


def test_targets_with_votes_mix_the_smoothed_targets_of_the_classes() -> None:
    # Votes: neutral 6, happiness 2; equal counts, so each smoothed target gives e / 6 to each other class. With e = 0.6:
    # neutral 0.4 * 3/4 + 0.1 * 1/4 = 0.325, happiness 0.4 * 1/4 + 0.1 * 3/4 = 0.175, the others 0.1.
    votes = torch.tensor([[6, 2, 0, 0, 0, 0, 0, 0, 0, 0]])
    method = MekVotes(classifier_of(seven_classes()), task_of((5,) * 7, votes=votes), MekSettings(smoothing=0.6))
    assert method.targets[0].tolist() == pytest.approx([0.325, 0.175, 0.1, 0.1, 0.1, 0.1, 0.1])
