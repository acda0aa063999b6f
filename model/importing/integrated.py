"""Maps of a head that is not linear, and the classifier that may have one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from model.classifier import PooledHead, PositionalHead, Prediction


class IntegratedHead(nn.Module):
    """Any differentiable head; its maps are integrated gradients (Sundararajan et al., ICML 2017) of the logits, from no features at all.

    ``M[l, h, w] = h w sum_c F[c, h, w] int_0^1 dlogit_l/dF[c, h, w](t F) dt``, with ``NODES`` points of Gauss and Legendre: the mean of a
    map plus the bias, which is what the layers answer to features that are all zero, is the logit up to the error of that sum. Where the
    layers are affine, these are the exact maps; where they are not, other ways to share a logit among the cells are as good.

    Args:
        layers: features ``(N, C, h, w)`` -> logits ``(N, L)``, in evaluation mode.
        shape: ``(C, h, w)``.
    """

    NODES = 4
    bias: Tensor

    def __init__(self, layers: nn.Module, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.layers = layers
        with torch.no_grad():
            self.register_buffer("bias", layers(torch.zeros(1, *shape))[0], persistent=False)

    def forward(self, features: Tensor) -> Prediction:
        logits: Tensor = self.layers(features)
        return Prediction(logits, self.maps_along(features, torch.eye(logits.shape[1]).expand(len(features), -1, -1)))

    def maps_along(self, features: Tensor, directions: Tensor) -> Tensor:
        """Maps ``(N, K, h, w)`` of weighted sums of each face's logits, whose weights are ``directions`` (N, K, L).

        Maps are linear in the logits: that of a sum costs one pass back, not one for each class in it.
        """
        points, weights = (torch.tensor(values, dtype=torch.float32) / 2 for values in np.polynomial.legendre.leggauss(self.NODES))
        # outside inference mode, whose tensors autograd refuses
        with torch.inference_mode(False), torch.enable_grad():
            given = features.detach().clone()
            path = torch.einsum("k,nchw->knchw", points + 0.5, given).flatten(0, 1).requires_grad_()
            logits = self.layers(path).view(self.NODES, len(given), -1)
            sums = torch.einsum("knl,ndl->d", logits, directions.clone())
            gradients = [torch.autograd.grad(each, path, retain_graph=True)[0] for each in sums]
            maps = [torch.einsum("k,knchw,nchw->nhw", weights, gradient.view(self.NODES, *given.shape), given) for gradient in gradients]
            return given.shape[-2] * given.shape[-1] * torch.stack(maps, 1)


Head = PooledHead | PositionalHead | IntegratedHead


class ImportedClassifier(nn.Module):
    """As :class:`model.classifier.ExpressionClassifier`, with any head: ``(N, 3, S, S)`` RGB in 0..255 -> :class:`Prediction`.

    With an :class:`IntegratedHead` the identity of logits and maps holds only about.
    """

    def __init__(self, network: nn.Module, head: Head) -> None:
        super().__init__()
        self.network = network
        self.head = head

    def forward(self, images: Tensor) -> Prediction:
        prediction: Prediction = self.head(self.network(images))
        return prediction

    def logits(self, images: Tensor) -> Tensor:
        """The logits ``(N, L)`` alone, without the cost of approximate maps."""
        features = self.network(images)
        logits: Tensor = self.head.layers(features) if isinstance(self.head, IntegratedHead) else self.head(features).logits
        return logits
