"""MEK with votes: MEK (Zhang et al., NeurIPS 2023) whose smoothed targets start from the annotators' votes instead of the majority
label. This project's own variant, with more supervision than any row of the paper.

``L = -mean_n sum_l T_nl log softmax(z_n)[l] + lambda L_RAC`` with ``T_n = (1 - e) v_n + e sum_y v_ny r_y``, where v is the vote
distribution of :mod:`model.methods.votes` and ``r_y[l] = w_l / sum_{j != y} w_j`` for l != y: the mean of MEK's target over the votes. A
unanimous face has MEK's own target.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.classifier import ExpressionClassifier
from model.methods.base import Batch, TrainingTask
from model.methods.mek import Mek, smooth_targets
from model.methods.settings import MekSettings
from model.methods.votes import vote_distributions


class MekVotes(Mek):
    """RSL over the votes on the faces as seen, plus lambda times RAC on the mirror pairs."""

    name = "mek_votes"
    targets: Tensor

    def __init__(self, classifier: ExpressionClassifier, task: TrainingTask, settings: MekSettings) -> None:
        super().__init__(classifier, task, settings)
        per_label = smooth_targets(torch.arange(task.classes), self.weights, settings.smoothing)
        self.register_buffer("targets", vote_distributions(task.votes) @ per_label, persistent=False)

    def targets_of(self, batch: Batch) -> Tensor:
        return self.targets[batch.indices.to(self.targets.device)]
