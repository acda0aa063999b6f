"""Other maps than the exact one, through pytorch-grad-cam, on the features of one forward pass.

Every method here looks at the last feature map, and the head above it is linear, so the networks need no backward pass and no hooks: a
stand-in model made for each call holds a copy of the head alone, takes the features as its input, and is what pytorch-grad-cam hooks and
differentiates. Calls share nothing and may run in any number of threads.

pytorch-grad-cam cuts negative values off and scales each map to 0..1 by its own extremes, so these maps show where, never how much: they
compare neither between classes nor between models nor between a face and its mirror image.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from app.choices import MapMethod
from model.classifier import centred
from model.importing.integrated import Head


class _HeadAlone(nn.Module):
    """The head on given features; ``features`` is the layer whose activations and gradients the methods read."""

    def __init__(self, head: Head, centre: bool) -> None:
        super().__init__()
        self.features = nn.Identity()
        self.head = copy.deepcopy(head)
        self.centre = centre

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(features.detach().requires_grad_())).logits
        return centred(logits) if self.centre else logits


def prepare(method: MapMethod) -> None:
    """Import what a method needs, which takes seconds the first time: call it before a deadline begins to run."""
    if method is not MapMethod.CAM:
        import pytorch_grad_cam  # noqa: F401


def scaled_maps(method: MapMethod, head: Head, features: Tensor, centre: bool) -> Tensor:
    """Maps of every class, each scaled to 0..1 by itself.

    Args:
        method: any but ``cam``.
        head: of the classifier that made the features; left as it is.
        features: ``(N, C, h, w)``.
        centre: explain the logits against their mean over the classes instead of the trained ones.

    Returns:
        ``(N, L, h, w)`` float32.
    """
    from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    kinds = {
        MapMethod.GRADCAM: GradCAM,
        MapMethod.GRADCAM_PLUS_PLUS: GradCAMPlusPlus,
        MapMethod.LAYERCAM: LayerCAM,
        MapMethod.HIRESCAM: HiResCAM,
    }
    model = _HeadAlone(head, centre)
    # outside inference mode, whose tensors autograd refuses
    with torch.inference_mode(False), torch.enable_grad():
        given = features.clone()
        explainer = kinds[method](model=model, target_layers=[model.features])
        try:
            # one target for each item: pytorch-grad-cam pairs them off and leaves the rest of the batch black
            maps = [explainer(given, [ClassifierOutputTarget(index)] * len(given)) for index in range(len(head.bias))]
        finally:
            explainer.activations_and_grads.release()
    return torch.from_numpy(np.stack(maps, axis=1))
