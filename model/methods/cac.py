"""Contrastive attention consistency (CAC): the maps of a face must be those of its mirror image, and of no other face. This project's own.

``L = CE(z + tau log prior, y) + lambda sum_l v_l mean_n (1 - CCC(M, fl(M'))) + kappa sum_l v_l C_l + mu mean_n JS(p, p')``.

* Concordance (CCC; Lin, Biometrics 1989) instead of correlation: strength and level of the two maps must agree too, and with them the
  answers, whose logits are the maps' means.
* Agreement alone ends in symmetric maps that are alike on every face. ``C_l`` is InfoNCE (van den Oord et al. 2018) in both directions
  over the pairs of a step, class by class: among the mirror images' maps of class l, a face's own must be the nearest.
* ``JS`` is the Jensen-Shannon divergence of the two views' probabilities: the answer itself must not depend on the mirror.

``v``, whose sum is 1, is proportional to the square root of MEK's class weights. The classifier's weight and bias learn from the first term
alone, which is logit-adjusted as in the scale-free form (Menon et al., ICLR 2021).

Trained networks may teach beside the label, which is one word for what ten people said of a face (distillation; Hinton, Vinyals and
Dean, 2015): with ``s = z + tau log prior`` and the teachers' probabilities q, averaged over both views of the face, the first term is

``(1 - d) CE(s, y) + d T^2 KL(q^(1/T) / sum q^(1/T) || softmax(s / T))``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from model.classifier import ExpressionClassifier
from model.methods.attention_consistency import VARIANCE_FLOOR, inverse_frequency_weights, predict_with_pairs
from model.methods.base import Batch, Method, TrainingTask, log_prior
from model.methods.settings import ContrastiveConsistencySettings


def concordance(maps: Tensor, mirrored: Tensor) -> Tensor:
    """Lin's concordance correlation over the cells, ``(P, L)``: ``2 cov / (var a + var b + (mean a - mean b)^2)``."""
    a, b = maps.flatten(2), mirrored.flatten(2)
    mean_a, mean_b = a.mean(2, keepdim=True), b.mean(2, keepdim=True)
    covariance = ((a - mean_a) * (b - mean_b)).mean(2)
    variances = a.var(2, correction=0) + b.var(2, correction=0)
    return 2 * covariance / (variances + (mean_a - mean_b).square().squeeze(2) + VARIANCE_FLOOR)


def face_contrast(maps: Tensor, mirrored: Tensor, temperature: float) -> Tensor:
    """InfoNCE over the faces, class by class, ``(L,)``: cross-entropy of finding a face's mirror image by the map of one class, and back.

    Similarity is the cosine of maps ``(P, L, h, w)`` centred over the cells, so neither strength nor level tells faces apart.
    """
    a, b = (F.normalize((m - m.mean((2, 3), keepdim=True)).flatten(2).transpose(0, 1), dim=2, eps=VARIANCE_FLOOR) for m in (maps, mirrored))
    with torch.autocast(maps.device.type, enabled=False):
        similarity = a @ b.transpose(1, 2) / temperature  # (L, P, P): row is a face, column a mirror image
    own = torch.arange(similarity.shape[1], device=similarity.device).expand(similarity.shape[:2])
    rows = F.cross_entropy(similarity.transpose(1, 2), own, reduction="none").mean(1)
    columns = F.cross_entropy(similarity, own, reduction="none").mean(1)
    return (rows + columns) / 2


def answer_divergence(logits: Tensor, mirrored: Tensor) -> Tensor:
    """Jensen-Shannon divergence of the two views' probabilities, nats, ``(P,)``: 0 where they agree, at most ln 2."""
    p, q = logits.log_softmax(1), mirrored.log_softmax(1)
    middle = torch.logaddexp(p, q) - math.log(2)
    return ((p.exp() * (p - middle)).sum(1) + (q.exp() * (q - middle)).sum(1)) / 2


def distillation(logits: Tensor, answers: Tensor, softening: float) -> Tensor:
    """``T^2 KL(q_T || p_T)`` of logits and a teacher's log-probabilities, both ``(N, L)`` and divided by T: nats, mean over the faces.

    The factor keeps the gradient's size where T changes.
    """
    p, q = (logits / softening).log_softmax(1), (answers / softening).log_softmax(1)
    return softening**2 * F.kl_div(p, q, reduction="batchmean", log_target=True)


class ContrastiveConsistency(Method):
    """Logit-adjusted cross-entropy on the faces as seen, by label and teachers; concordance, contrast and agreement on the mirror
    pairs."""

    name = "cac"
    Settings = ContrastiveConsistencySettings
    shares: Tensor
    log_prior: Tensor
    answers: Tensor | None

    def __init__(self, classifier: ExpressionClassifier, task: TrainingTask, settings: ContrastiveConsistencySettings) -> None:
        super().__init__(classifier, task, settings)
        roots = inverse_frequency_weights(task.counts).sqrt()
        self.register_buffer("shares", roots / roots.sum())
        self.register_buffer("log_prior", log_prior(task.counts))
        self.register_buffer("answers", task.answers, persistent=False)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        prediction, maps, mirrored = predict_with_pairs(self, batch.images, self.settings.pair_share)
        labels = self._label_loss(prediction.logits + self.settings.adjustment * self.log_prior, batch)
        consistency = (self.shares * (1 - concordance(maps, mirrored))).sum(1).mean()
        contrast = (self.shares * face_contrast(maps, mirrored, self.settings.temperature)).sum()
        bias = self.pooled_head.bias.detach()
        agreement = answer_divergence(maps.mean((2, 3)) + bias, mirrored.mean((2, 3)) + bias).mean()
        loss = labels + self.settings.consistency * consistency + self.settings.contrast * contrast + self.settings.agreement * agreement
        return {"loss": loss, "labels": labels, "consistency": consistency, "contrast": contrast, "agreement": agreement}

    def _label_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the adjusted logits ``(N, L)`` with the labels, and their divergence from the teachers' answers."""
        settings = self.settings
        by_label = F.cross_entropy(logits, batch.labels)
        if not settings.distillation:
            return by_label
        assert self.answers is not None  # a config has teachers wherever it has distillation
        answers = self.answers[batch.indices.to(self.answers.device)]
        return torch.lerp(by_label, distillation(logits, answers, settings.softening), settings.distillation)
