"""BBN: bilateral-branch network; Zhou et al., "BBN: Bilateral-Branch Network with Cumulative Learning for Long-Tailed Visual
Recognition", CVPR 2020.

The last residual block exists twice. One copy learns from uniformly drawn faces, the other from faces of classes drawn by inverse
frequency, ``P(l) = (1 / n_l) / sum_j (1 / n_j)``; ``a = 1 - ((e - 1) / E)^2`` in epoch e = 1 .. E moves the weight from the first to
the second: ``z = fc(2 [a f_c, (1 - a) f_r])``, ``L = a CE(z, y_c) + (1 - a) CE(z, y_r)``. The served classifier gives both copies the
same face and leaves the factors out, which is the formula at a = 1/2. What differs from the official code: both copies start from the
same pretrained block, and one optimizer with the common schedule trains everything.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from model.classifier import ExpressionClassifier
from model.methods.base import Batch, EpochMethod, TrainingTask
from model.methods.settings import NoSettings
from model.networks.build import Network


class BilateralBranch(EpochMethod):
    """Two branches, a uniform and a reversed sampler, and a schedule between them; the epoch is a buffer."""

    name = "bbn"
    tails = 2

    def __init__(self, classifier: ExpressionClassifier, task: TrainingTask, settings: NoSettings) -> None:
        super().__init__(classifier, task, settings)
        self.draw_weights = reversed_draw_weights(task.labels)

    def companion_indices(self, indices: Tensor) -> Tensor:
        return torch.multinomial(self.draw_weights, len(indices), replacement=True)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        assert batch.companion is not None
        reversed_batch = batch.companion
        a = uniform_weight(int(self.epoch), self.task.epochs)
        uniform, rebalanced = self._branch(0, batch.images), self._branch(1, reversed_batch.images)
        with torch.autocast(uniform.device.type, enabled=False):
            mixed = 2 * torch.cat([a * uniform, (1 - a) * rebalanced], dim=1)
            logits = F.linear(mixed, self.pooled_head.weight, self.pooled_head.bias)
        common, rare = F.cross_entropy(logits, batch.labels), F.cross_entropy(logits, reversed_batch.labels)
        return {"loss": a * common + (1 - a) * rare, "uniform": common, "reversed": rare}

    def _branch(self, tail: int, images: Tensor) -> Tensor:
        """Pooled features ``(N, C)`` of one branch, float32."""
        network = self.classifier.network
        assert isinstance(network, Network)
        features: Tensor = network.tails[tail](network.trunk(images))
        return features.float().mean((2, 3))


def reversed_draw_weights(labels: Tensor) -> Tensor:
    """Probability ``(T,)``, float64, of drawing each training face: a class by inverse frequency, then any of its faces."""
    counts = torch.bincount(labels).double()
    weights = counts[labels] ** -2
    return weights / weights.sum()


def uniform_weight(epoch: int, epochs: int) -> float:
    """``a`` in epoch 1, 2, ... of a run: 1 at first, nearly 0 at the end."""
    return 1 - ((epoch - 1) / epochs) ** 2
