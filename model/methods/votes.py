"""Votes: cross-entropy against the annotators' votes; Barsoum et al., "Training Deep Networks for Facial Expression Recognition with
Crowd-Sourced Label Distribution", ICMI 2016.

``L = -mean_n sum_l v_nl log softmax(z_n)[l]``, with v the face's votes for the seven expressions, divided by their sum. What differs
from the paper: contempt, unknown and no-face votes do not count, as the classifier has seven classes; an expression with a single vote
does not either, as in the majority rule; and only faces with a majority label are trained on. Uses more supervision than that label,
which the other methods have.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from model.classifier import ExpressionClassifier
from model.data.ferplus import VOTE_COLUMNS
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.methods.base import Batch, Method, TrainingTask
from model.methods.settings import NoSettings

EXPRESSION_COLUMNS = tuple(VOTE_COLUMNS.index(name) for name in EXPRESSIONS)


def vote_distributions(votes: Tensor) -> Tensor:
    """Targets ``(T, 7)`` of votes (T, 10): single votes are dropped as in the majority rule, unless a face has no others.

    A face without a vote for any of the seven has zeros, which is no loss.

    Raises:
        InputError: the dataset has no votes.
    """
    if votes.shape[1] != len(VOTE_COLUMNS):
        raise InputError("this method needs the annotators' votes, which only FERPlus publishes")
    seven = votes[:, list(EXPRESSION_COLUMNS)]
    several = torch.where(seven > 1, seven, 0)
    counted = torch.where(several.any(1, keepdim=True), several, seven).float()
    return counted / counted.sum(1, keepdim=True).clamp(min=1)


class Votes(Method):
    """Cross-entropy against the vote distribution of each face."""

    name = "votes"
    targets: Tensor

    def __init__(self, classifier: ExpressionClassifier, task: TrainingTask, settings: NoSettings) -> None:
        super().__init__(classifier, task, settings)
        self.register_buffer("targets", vote_distributions(task.votes), persistent=False)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        targets = self.targets[batch.indices.to(self.targets.device)]
        return {"loss": F.cross_entropy(self.classifier(batch.images).logits, targets)}
