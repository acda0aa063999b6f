"""SOFT: soft label smoothing with a mean teacher; Lukov et al., "Teaching with Soft Label Smoothing for Mitigating Noisy Labels in
Facial Expressions", ECCV 2022.

The teacher, an exponential moving average of the network and its head, sees a second view of every face. Its classes with ``p_l > 1 / L``
keep their proportions and share ``1 - eps``, the others share eps evenly: that is q. The student has a confidence ``alpha`` as in SCN,
and ``L = CE(alpha u, y) + c KL(q || softmax(u))`` with ``c = c0 exp(-5 (1 - min(e, R) / R)^2)`` in epoch e = 0, 1, ... The teacher is
served, and it alone is measured. What differs from the released code, which lacks the line that computes the teacher's logits: the
teacher starts as a copy of the student, forwards in training mode without gradient, and R is a third of the run (30 epochs of 90). The
decay after step k is ``min(1 - 1 / (k + 1), d)`` with the published d = 0.999, and d = 0.99 in runs of fewer than 2000 steps, which the
slower teacher would not follow.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.classifier import ExpressionClassifier
from model.methods.base import Batch, EpochMethod, TrainingTask
from model.methods.settings import SoftSettings

DECAY = 0.999
SHORT_RUN_DECAY = 0.99
SHORT_RUN_STEPS = 2000


def ramp_up(epoch: int, length: float) -> float:
    """``exp(-5 (1 - min(epoch, length) / length)^2)``: from 0.007 at epoch 0 to 1 at epoch ``length``."""
    return math.exp(-5 * (1 - min(epoch, length) / length) ** 2)


class SoftLabelSmoothing(EpochMethod):
    """Confidence-weighted cross-entropy, plus the divergence from the teacher's smoothed prediction on a second view.

    The teacher with its BatchNorm statistics and the epoch are part of the state.
    """

    name = "soft"
    Settings = SoftSettings

    def __init__(self, classifier: ExpressionClassifier, task: TrainingTask, settings: SoftSettings) -> None:
        super().__init__(classifier, task, settings)
        self.teacher = copy.deepcopy(classifier).requires_grad_(False)
        self.confidence = nn.Linear(self.pooled_head.weight.shape[1], 1)
        self.decay = SHORT_RUN_DECAY if task.epochs * task.steps_per_epoch < SHORT_RUN_STEPS else DECAY

    def companion_indices(self, indices: Tensor) -> Tensor:
        return indices

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        assert batch.companion is not None
        with torch.no_grad():
            targets = soft_targets(self.teacher(batch.companion.images).logits, self.settings.smoothing)
        features = self.classifier.network(batch.images)
        with torch.autocast(features.device.type, enabled=False):
            alpha = self.confidence(features.float().mean((2, 3))).sigmoid()
            logits = self.pooled_head(features).logits
        labels = F.cross_entropy(alpha * logits, batch.labels)
        teaching = F.kl_div(logits.log_softmax(1), targets, reduction="batchmean")
        weight = self.settings.teaching * ramp_up(int(self.epoch) - 1, self.settings.ramp * self.task.epochs)
        return {"loss": labels + weight * teaching, "labels": labels, "teaching": teaching}

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        decay = min(1 - 1 / (step + 1), self.decay)
        for average, value in zip(self.teacher.parameters(), self.classifier.parameters(), strict=True):
            average.lerp_(value, 1 - decay)

    def inference(self) -> ExpressionClassifier:
        return self.teacher


def soft_targets(logits: Tensor, smoothing: float) -> Tensor:
    """Soft label smoothing ``(N, L)`` of a teacher's logits (N, L); a uniform prediction, which has no class above 1 / L, stays."""
    p = logits.softmax(1)
    confident = p > 1 / p.shape[1]
    kept = p * confident
    proportions = kept / kept.sum(1, keepdim=True)
    even = 1 / (~confident).sum(1, keepdim=True)
    smoothed = torch.where(confident, (1 - smoothing) * proportions, smoothing * even)
    return torch.where(confident.any(1, keepdim=True), smoothed, p)
