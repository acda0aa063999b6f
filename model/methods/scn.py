"""SCN: self-cure network; Wang et al., "Suppressing Uncertainties for Large-Scale Facial Expression Recognition", CVPR 2020.

Each face has a confidence ``alpha = sigmoid(w g + b)`` that scales its logits, ``z = alpha fc(g)``; the mean confidence of the batch's
upper 70 % must exceed that of the rest by a margin; later, a label of the lower group that the network firmly rejects
(``max p - p[y] > 0.2``) becomes the predicted one, for good. ``L = CE(z, y) + max(0, m1 - (mean alpha_high - mean alpha_low))``. What
differs from the official code: only the lower group is relabelled, as in the paper (``relabel_all`` gives the code's rule), and
relabelling starts after half of the run instead of the tenth epoch (of 70 in the code, 40 in the paper), which cost the minor classes
less on PublicTest here.
The served classifier is ``fc(g)``, whose maps are exact: the confidence does not change the order of a face's logits, but what
compares faces (average precision, AUROC) is without it.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from model.classifier import ExpressionClassifier
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.methods.base import Batch, EpochMethod, TrainingTask
from model.methods.settings import ScnSettings


class SelfCure(EpochMethod):
    """Confidence-weighted cross-entropy plus rank regularisation, on labels that the network corrects.

    Needs two faces a batch or more. The corrected labels (T,) and the epoch are buffers.

    Raises:
        InputError: several processes train together; the labels that one changes would not reach the others.
    """

    name = "scn"
    Settings = ScnSettings
    labels: Tensor

    def __init__(self, classifier: ExpressionClassifier, task: TrainingTask, settings: ScnSettings) -> None:
        if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
            raise InputError("method scn changes labels as it trains and runs in one process only: start it without torchrun")
        super().__init__(classifier, task, settings)
        self.confidence = nn.Linear(self.pooled_head.weight.shape[1], 1)
        self.register_buffer("labels", task.labels.clone())

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        features = self.classifier.network(batch.images)
        with torch.autocast(features.device.type, enabled=False):
            alpha = self.confidence(features.float().mean((2, 3))).sigmoid()
            logits = alpha * self.pooled_head(features).logits
        indices = batch.indices.to(self.labels.device)
        current = self.labels[indices]
        order = alpha.flatten().argsort(descending=True)
        high = min(max(int(self.settings.high_share * len(order)), 1), len(order) - 1)  # neither group is ever empty
        labels = F.cross_entropy(logits, current)
        rank = (self.settings.margin - (alpha[order[:high]].mean() - alpha[order[high:]].mean())).relu()
        if self.training and int(self.epoch) - 1 >= self.settings.relabel_from * self.task.epochs:
            candidates = order if self.settings.relabel_all else order[high:]
            corrected = corrected_labels(logits[candidates].detach(), current[candidates], self.settings.relabel_margin)
            self.labels[indices[candidates]] = corrected
        return {"loss": labels + rank, "labels": labels, "rank": rank}

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """How far the labels have moved since the start of the run, and how many faces each class has now.

        ``to_frequent`` counts the faces whose label now is a class with more training faces than their own label's, ``to_rare``
        those with fewer.
        """
        counts = torch.tensor(self.task.counts)
        now = self.labels.cpu()
        growth = counts[now] - counts[self.task.labels]
        sizes = torch.bincount(now, minlength=self.task.classes).tolist()
        moved = {"to_frequent": float((growth > 0).sum()), "to_rare": float((growth < 0).sum())}
        return moved | {f"labelled_{name}": float(size) for name, size in zip(EXPRESSIONS, sizes, strict=True)}


def corrected_labels(logits: Tensor, labels: Tensor, margin: float) -> Tensor:
    """The predicted class ``(N,)`` where its probability exceeds that of the label by more than ``margin``, else the label."""
    probabilities = logits.softmax(1)
    highest, predicted = probabilities.max(1)
    rejected = highest - probabilities.gather(1, labels.unsqueeze(1)).squeeze(1) > margin
    return torch.where(rejected, predicted, labels)
