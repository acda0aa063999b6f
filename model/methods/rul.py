"""RUL: relative uncertainty learning; Zhang et al., "Relative Uncertainty Learning for Facial Expression Recognition", NeurIPS 2021.

Two branches see the last feature map: one gives the feature ``mu`` (N, 64), one the uncertainty ``u_n = mean_k exp(s_nk)``. A face and
its partner under a random permutation pi are mixed, ``m_n = r_n mu_n + (1 - r_n) mu_pi(n)`` with ``r_n = u_n / (u_n + u_pi(n))``, and
``L = CE(fc(m), y) / 2 + CE(fc(m), y_pi) / 2`` (the official code's factor; the paper adds the two). What differs from the official
code: the trainer's larger head learning rate holds for the whole branches, not for fc alone; with fc alone, PublicTest had 80.32 overall
and 56.24 mean after three epochs in place of 80.60 and 59.63. In evaluation fc(mu(F)) is affine in F with weights of its own for every
cell, so it is served as a :class:`PositionalHead`, whose maps are exact.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.classifier import ExpressionClassifier, PositionalHead
from model.methods.base import Batch, Method, TrainingTask
from model.methods.settings import RulSettings

NORM_EPSILON = 2e-5


class Branch(nn.Module):
    """BatchNorm, dropout and a linear layer over all channels and cells, then BatchNorm: ``(N, C, h, w)`` -> ``(N, dimensions)``."""

    def __init__(self, channels: int, map_size: int, dimensions: int, dropout: float) -> None:
        super().__init__()
        self.shape = (channels, map_size, map_size)
        self.norm_in = nn.BatchNorm2d(channels, eps=NORM_EPSILON, affine=False)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels * map_size**2, dimensions)
        self.norm_out = nn.BatchNorm1d(dimensions, eps=NORM_EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        flat = self.dropout(self.norm_in(features)).flatten(1)
        values: Tensor = self.norm_out(self.linear(flat))
        return values

    def affine_map(self) -> tuple[Tensor, Tensor]:
        """Weight ``(dimensions, C, h, w)`` and bias ``(dimensions,)``, float64, of what the branch computes in evaluation."""
        mean, variance = _statistics(self.norm_in)
        scale = (variance + NORM_EPSILON).rsqrt()
        weight = self.linear.weight.double().view(-1, *self.shape) * scale.view(1, -1, 1, 1)
        bias = self.linear.bias.double() - torch.einsum("kchw,c->k", weight, mean)
        mean, variance = _statistics(self.norm_out)
        gain = self.norm_out.weight.double() * (variance + NORM_EPSILON).rsqrt()
        return weight * gain.view(-1, 1, 1, 1), (bias - mean) * gain + self.norm_out.bias.double()

    @torch.no_grad()
    def with_layer(self, rows: Tensor, offset: Tensor) -> PositionalHead:
        """The branch in evaluation and a linear layer after it, ``rows`` (L, dimensions) and ``offset`` (L,), as one head: both are affine,
        so their product is one weight for every class, channel and cell."""
        weight, bias = self.affine_map()
        rows = rows.double()
        return PositionalHead(torch.einsum("lk,kchw->lchw", rows, weight).float(), (rows @ bias + offset.double()).float())


def _statistics(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None
    return norm.running_mean.double(), norm.running_var.double()


class RelativeUncertainty(Method):
    """Cross-entropy of both labels on features mixed in proportion to the uncertainties of their faces."""

    name = "rul"
    Settings = RulSettings

    def __init__(self, classifier: ExpressionClassifier, task: TrainingTask, settings: RulSettings) -> None:
        super().__init__(classifier, task, settings)
        channels = self.pooled_head.weight.shape[1]
        self.pooled_head.requires_grad_(False)  # the positional head takes its place
        self.feature = Branch(channels, task.map_size, settings.dimensions, settings.dropout)
        self.uncertainty = Branch(channels, task.map_size, settings.dimensions, settings.dropout)
        self.fc = nn.Linear(settings.dimensions, task.classes)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        features = self.classifier.network(batch.images)
        with torch.autocast(features.device.type, enabled=False):
            mu = self.feature(features.float())
            u = self.uncertainty(features.float()).exp().mean(1)
            partner = torch.randperm(len(u), device=u.device)
            logits = self.fc(mix(mu, u, partner))
        own, others = F.cross_entropy(logits, batch.labels), F.cross_entropy(logits, batch.labels[partner])
        return {"loss": (own + others) / 2}

    def inference(self) -> ExpressionClassifier:
        """The network with ``fc(mu(F))`` as its head."""
        return ExpressionClassifier(self.classifier.network, self.feature.with_layer(self.fc.weight, self.fc.bias))


def mix(mu: Tensor, u: Tensor, partner: Tensor) -> Tensor:
    """Mixed features ``(N, K)`` of ``mu`` (N, K) and its partners: the less certain face, with the larger ``u`` (N,), has the larger
    share."""
    share = (u / (u + u[partner])).unsqueeze(1)
    return share * mu + (1 - share) * mu[partner]
