"""SCN: confidence, rank regularisation, relabelling."""

from __future__ import annotations

import math

import pytest
import torch
from torch import distributed

from model.methods.base import TrainingTask
from model.methods.scn import SelfCure
from model.methods.settings import ScnSettings
from tests.methods.cases import NO_VOTES, batch_of, classifier_of, pixels, task_of

LABELS = [0, 1, 0, 0]


def scn(settings: ScnSettings, epochs: int = 10) -> SelfCure:
    """Confidence sigmoid(g), logits g and -g before it; the stored labels are ``LABELS``."""
    task = TrainingTask((3, 1), torch.tensor(LABELS), NO_VOTES, epochs, 1, 1)
    method = SelfCure(classifier_of([[1.0], [-1.0]]), task, settings)
    with torch.no_grad():
        method.confidence.weight.fill_(1.0)
        method.confidence.bias.zero_()
    return method


BATCH = batch_of(pixels(2.0, 1.0, 0.0, -1.0), LABELS)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_the_loss_of_four_faces() -> None:
    # Confidences .8808, .7311 (high) and .5, .2689 (low): mean gap .4215, margin .5, so the rank term is .0785.
    # z = (alpha g, -alpha g): the cross-entropy of label 0 is ln(1 + e^(-2 alpha g)), of label 1 ln(1 + e^(2 alpha g)).
    losses = scn(ScnSettings(high_share=0.5, margin=0.5))(BATCH)
    alphas = [sigmoid(g) for g in (2, 1, 0, -1)]
    assert losses["rank"].item() == pytest.approx(0.078543, abs=1e-5)
    terms = [math.log(1 + math.exp(x)) for x in (-4 * alphas[0], 2 * alphas[1], 0, 2 * alphas[3])]
    assert losses["labels"].item() == pytest.approx(sum(terms) / 4)
    assert losses["loss"].item() == pytest.approx(sum(terms) / 4 + 0.078543, abs=1e-5)


# Face 1 (g = 1, label 1): p = sigmoid(+-1.4621) = .812 against .188, rejected, but in the high group.
# Face 2: p = 1/2 both, stays. Face 3 (g = -1, label 0): p = sigmoid(-+.5379) = .369 against .631, a gap of .263 > .2.
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (ScnSettings(high_share=0.5), [0, 1, 0, 1]),
        (ScnSettings(high_share=0.5, relabel_all=True), [0, 0, 0, 1]),
        (ScnSettings(high_share=0.5, relabel_margin=0.3), [0, 1, 0, 0]),
    ],
)
def test_firmly_rejected_labels_of_the_low_group_change_for_good(settings: ScnSettings, expected: list[int]) -> None:
    method = scn(settings)
    method.begin_epoch(10)
    first = method(BATCH)["labels"].item()
    assert method.labels.tolist() == expected
    changed = expected != LABELS
    assert (method(BATCH)["labels"].item() < first) is changed


@pytest.mark.parametrize(
    ("share", "epochs", "first"), [(0.15, 60, 10), (0.15, 10, 3), (0.15, 4, 2), (0.5, 60, 31), (0.5, 10, 6), (0.5, 5, 4)]
)
def test_relabelling_starts_after_the_same_part_of_the_run(share: float, epochs: int, first: int) -> None:
    method = scn(ScnSettings(high_share=0.5, relabel_from=share), epochs)
    changed = []
    for epoch in range(1, epochs + 1):
        method.labels.copy_(torch.tensor(LABELS))
        method.begin_epoch(epoch)
        method(BATCH)
        changed.append(method.labels.tolist() != LABELS)
    assert changed == [epoch >= first for epoch in range(1, epochs + 1)]


def test_evaluation_leaves_the_labels_alone() -> None:
    method = scn(ScnSettings(high_share=0.5)).eval()
    method.begin_epoch(10)
    method(BATCH)
    assert method.labels.tolist() == LABELS


def test_the_log_tells_how_labels_moved_between_rare_and_frequent_classes() -> None:
    method = SelfCure(classifier_of([[1.0]] * 7), task_of((5, 4, 3, 2, 1, 1, 1)), ScnSettings())
    # Faces 0 to 4 are neutral, 5 to 8 happiness, the last one (16) disgust.
    method.labels[0] = 6
    method.labels[5] = 0
    method.labels[16] = 1
    figures = method.end_epoch(1)
    assert (figures["to_frequent"], figures["to_rare"]) == (2.0, 1.0)
    assert (figures["labelled_neutral"], figures["labelled_happiness"], figures["labelled_disgust"]) == (5.0, 4.0, 1.0)


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    with pytest.raises(ValueError, match="one process only"):
        scn(ScnSettings())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_neither_group_is_ever_empty(share: float) -> None:
    losses = scn(ScnSettings(high_share=share))(BATCH)
    assert all(value.isfinite() for value in losses.values())
