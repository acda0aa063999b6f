"""Maps of a head that is not linear, and the classifier that may have one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from model.classifier import PooledHead, PositionalHead, Prediction


class IntegratedHead(nn.Module):
    """Any differentiable head; its maps are integrated gradients (Sundararajan et al., ICML 2017) of the logits along a straight path.

    ``M[l, h, w] = h w sum_c D[c, h, w] int_0^1 dlogit_l/dF[c, h, w](F0 + t D) dt + logit_l(F0) - b_l``, with ``D = F - F0`` and ``NODES``
    points of Gauss and Legendre: the mean of a map plus the bias b, which is what the layers answer to features that are all zero, is
    the logit up to the error of that sum. The path begins at

    * ``F0 = 0``, no features at all; or
    * ``F0`` the features' mean over the cells, ``from_mean``: then no cell stands out, so what the layers answer is shared out evenly. For
      layers with a LayerNorm, whose answer turns about within the first steps away from zero, where four points see nothing of it.

    Where the layers are affine and treat cells alike, both are the exact maps; where they are not, other ways to share a logit among the
    cells are as good.

    Args:
        layers: features ``(N, C, h, w)`` -> logits ``(N, L)``, in evaluation mode.
        shape: ``(C, h, w)``.
    """

    NODES = 4
    FACES = 8  # whose gradients are taken at once: each holds NODES passes through all layers in memory, of POSTER 150 MB
    bias: Tensor

    def __init__(self, layers: nn.Module, shape: tuple[int, int, int], from_mean: bool = False) -> None:
        super().__init__()
        self.layers = layers
        self.from_mean = from_mean
        with torch.no_grad():
            self.register_buffer("bias", layers(torch.zeros(1, *shape))[0], persistent=False)

    def forward(self, features: Tensor) -> Prediction:
        logits: Tensor = self.layers(features)
        return Prediction(logits, self.maps_along(features, torch.eye(logits.shape[1]).expand(len(features), -1, -1)))

    def maps_along(self, features: Tensor, directions: Tensor) -> Tensor:
        """Maps ``(N, K, h, w)`` of weighted sums of each face's logits, whose weights are ``directions`` (N, K, L).

        Maps are linear in the logits: that of a sum costs one pass back, not one for each class in it.
        """
        parts = zip(torch.split(features, self.FACES), torch.split(directions, self.FACES), strict=True)
        return torch.cat([self._few_maps_along(few, along) for few, along in parts])

    def _few_maps_along(self, features: Tensor, directions: Tensor) -> Tensor:
        points, weights = (torch.tensor(values, dtype=torch.float32) / 2 for values in np.polynomial.legendre.leggauss(self.NODES))
        # outside inference mode, whose tensors autograd refuses
        with torch.inference_mode(False), torch.enable_grad():
            given, directions = features.detach().clone(), directions.clone()
            start = given.mean((2, 3), keepdim=True).expand_as(given) if self.from_mean else torch.zeros_like(given)
            way = given - start
            path = (start + torch.einsum("k,nchw->knchw", points + 0.5, way)).flatten(0, 1).requires_grad_()
            logits = self.layers(path).view(self.NODES, len(given), -1)
            sums = torch.einsum("knl,ndl->d", logits, directions)
            gradients = [torch.autograd.grad(each, path, retain_graph=True)[0] for each in sums]
            maps = [torch.einsum("k,knchw,nchw->nhw", weights, gradient.view(self.NODES, *given.shape), way) for gradient in gradients]
            shares = given.shape[-2] * given.shape[-1] * torch.stack(maps, 1)
            if self.from_mean:
                with torch.no_grad():
                    shares = shares + torch.einsum("nl,ndl->nd", self.layers(start) - self.bias, directions)[:, :, None, None]
            return shares


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
