"""Baseline: plain cross-entropy (the paper's first row)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from model.methods.base import Batch, Method


class Baseline(Method):
    """``-mean log softmax(z)[y]``: no sampler, no weights, no smoothing."""

    name = "baseline"

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss": F.cross_entropy(self.classifier(batch.images).logits, batch.labels)}
