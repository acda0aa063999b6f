"""Scale-free MEK: the paper's idea with a consistency term that cannot be lowered by shrinking a map. This project's own variant.

``L = L_label + lambda mean_n sum_l (w_l / sum w) (1 - Pearson(M, fl(M')))``. MEK's squared error falls when the maps of a class merely
get weaker, and its weights press hardest on the minor classes, whose maps it flattens; correlation leaves their strength alone. In place
of the smooth labels stands logit adjustment (Menon et al., ICLR 2021): the cross-entropy sees ``z + tau log prior``, the classifier
serves ``z``.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from model.classifier import ExpressionClassifier
from model.methods.attention_consistency import correlation, inverse_frequency_weights, predict_with_pairs
from model.methods.base import Batch, Method, TrainingTask, log_prior
from model.methods.mek import smooth_targets
from model.methods.settings import MekScaleFreeSettings


class MekScaleFree(Method):
    """Logit-adjusted cross-entropy on the faces as seen, plus lambda times the scale-free consistency on the mirror pairs."""

    name = "mek_sf"
    Settings = MekScaleFreeSettings
    weights: Tensor
    log_prior: Tensor

    def __init__(self, classifier: ExpressionClassifier, task: TrainingTask, settings: MekScaleFreeSettings) -> None:
        super().__init__(classifier, task, settings)
        self.register_buffer("weights", inverse_frequency_weights(task.counts))
        self.register_buffer("log_prior", log_prior(task.counts))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        prediction, maps, mirrored = predict_with_pairs(self, batch.images, self.settings.pair_share)
        adjusted = prediction.logits + self.settings.adjustment * self.log_prior
        labels = F.cross_entropy(adjusted, smooth_targets(batch.labels, self.weights, self.settings.smoothing))
        gaps = (1 - correlation(maps, mirrored)) * self.weights / self.weights.sum()
        consistency = gaps.sum(1).mean()
        return {"loss": labels + self.settings.consistency * consistency, "labels": labels, "consistency": consistency}
