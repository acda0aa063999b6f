"""MEK, the paper's method: re-balanced attention consistency (RAC) and re-balanced smooth labels (RSL); Zhang et al., NeurIPS 2023.

``L = L_RSL + lambda L_RAC``, with ``L_RAC = mean_n sum_l w_l mean_hw (M - fl(M'))^2`` and targets ``T[y] = 1 - e``, ``T[l] = e w_l /
sum_{j != y} w_j``. What differs from the official code: the weights come from the counts of the training set in use, the mirror pair is
drawn for a share of each batch and shares the forward pass, e is 0.02 instead of 0.3, and lambda 0.0005, since the official 0.1
makes RAC sixteen times the cross-entropy on this backbone and flattens the maps of the minor classes.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from model.classifier import ExpressionClassifier
from model.maps.measures import paper_flip_error
from model.methods.attention_consistency import inverse_frequency_weights, predict_with_pairs
from model.methods.base import Batch, Method, TrainingTask
from model.methods.settings import MekSettings


def smooth_targets(labels: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    """RSL targets ``(N, L)``: ``1 - e`` for the label, ``e`` shared among the others in proportion to their weights ``(L,)``."""
    others = weights.expand(len(labels), -1).scatter(1, labels.unsqueeze(1), 0.0)
    smoothed = smoothing * others / others.sum(1, keepdim=True)
    return smoothed.scatter(1, labels.unsqueeze(1), 1.0 - smoothing)


class Mek(Method):
    """RSL on the faces as seen, plus lambda times RAC on the mirror pairs."""

    name = "mek"
    Settings = MekSettings
    weights: Tensor

    def __init__(self, classifier: ExpressionClassifier, task: TrainingTask, settings: MekSettings) -> None:
        super().__init__(classifier, task, settings)
        self.register_buffer("weights", inverse_frequency_weights(task.counts))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        prediction, maps, mirrored = predict_with_pairs(self, batch.images, self.settings.pair_share)
        labels = F.cross_entropy(prediction.logits, self.targets_of(batch))
        consistency = (self.weights * paper_flip_error(maps, mirrored)).sum(1).mean()
        return {"loss": labels + self.settings.consistency * consistency, "labels": labels, "consistency": consistency}

    def targets_of(self, batch: Batch) -> Tensor:
        """RSL targets ``(N, L)`` of a batch."""
        return smooth_targets(batch.labels, self.weights, self.settings.smoothing)
