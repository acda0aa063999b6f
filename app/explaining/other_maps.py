"""Other maps than the exact one, through pytorch-grad-cam, on the features of one forward pass.

Every method here looks at the last feature map, so the networks below it need no backward pass and no hooks: a stand-in model made for
each call holds a copy of the head alone, takes the features as its input, and is what pytorch-grad-cam hooks and differentiates. Calls
share nothing and may run in any number of threads.

pytorch-grad-cam cuts negative values off and scales each map to 0..1 by its own extremes, so these maps show where, never how much: they
compare neither between classes nor between models nor between a face and its mirror image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.choices import MapMethod
from model.expressions import EXPRESSIONS
from model.maps.measures import Floats

if TYPE_CHECKING:
    from torch import nn


def prepare(threads: int) -> None:
    """Import what the methods need, which takes seconds the first time: call it before a deadline begins to run.

    Args:
        threads: of one computation in PyTorch, in every thread that begins to use it from now on.
    """
    import pytorch_grad_cam  # noqa: F401
    import torch

    torch.set_num_threads(threads)


def scaled_maps(method: MapMethod, head: nn.Module, features: Floats, centre: bool) -> Floats:
    """Maps of every class, each scaled to 0..1 by itself.

    Args:
        method: any but ``cam``.
        head: of the network that made the features, features to logits ``(N, L)``; left as it is.
        features: ``(N, C, h, w)``.
        centre: explain the logits against their mean over the classes instead of the trained ones.

    Returns:
        ``(N, L, h, w)`` float32.
    """
    import torch
    from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    from app.explaining.head_alone import HeadAlone

    kinds = {
        MapMethod.GRADCAM: GradCAM,
        MapMethod.GRADCAM_PLUS_PLUS: GradCAMPlusPlus,
        MapMethod.LAYERCAM: LayerCAM,
        MapMethod.HIRESCAM: HiResCAM,
    }
    model = HeadAlone(head, centre)
    with torch.enable_grad():
        explainer = kinds[method](model=model, target_layers=[model.features])
        try:
            # one target for each item: pytorch-grad-cam pairs them off and leaves the rest of the batch black
            given = torch.tensor(features)
            maps = [explainer(given, [ClassifierOutputTarget(index)] * len(given)) for index in range(len(EXPRESSIONS))]
        finally:
            explainer.activations_and_grads.release()
    return np.stack(maps, axis=1)
