"""Any network of the library timm that ends in global average pooling and one linear layer: its CNNs, and Swin by the cells of its norm."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from model.classifier import PooledHead
from model.errors import InputError
from model.importing.layouts.base import PublishedNetwork, pooled_head
from model.networks import Grid


class TimmNetwork(PublishedNetwork):
    """A timm model by its name there.

    Raises:
        InputError: timm is not installed or has no such model, or the model's head is not the pooled linear one.
    """

    foldable: ClassVar[bool] = False  # some of timm's BatchNorms hold the activation, too

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        self.net = _created(architecture, classes)
        self._channels_last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
        self._check(architecture)

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.net.forward_features(images)
        return features.permute(0, 3, 1, 2) if self._channels_last else features

    def logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        return logits

    def answer(self, features: Tensor) -> Tensor:
        logits: Tensor = self.net.forward_head(features.permute(0, 2, 3, 1) if self._channels_last else features)
        return logits

    def grid(self, input_size: int) -> Grid:
        """Padded convolutions keep cell 0 at the first pixel; patches have it in their middle."""
        step = int(self.net.feature_info[-1]["reduction"])
        return Grid(step // 2 - 1 if self._channels_last else 0, step, input_size)

    def head(self, order: Tensor, input_size: int) -> PooledHead:
        return pooled_head(cast("nn.Linear", self.net.get_classifier()), order)

    @torch.no_grad()
    def _check(self, architecture: str) -> None:
        """Holds the head against global average pooling and the linear layer, on random features."""
        refusal = f"timm's {architecture} does not end in global average pooling and one linear layer, of which exact maps can be made"
        linear, channels = self.net.get_classifier(), self.net.num_features
        if not isinstance(linear, nn.Linear) or linear.in_features != channels:
            raise InputError(refusal)
        features = torch.rand(2, channels, 7, 7)
        self.eval()
        try:
            answered = self.answer(features)
        except (RuntimeError, ValueError, IndexError) as error:  # a head of tokens
            raise InputError(refusal) from error
        if not torch.allclose(answered, linear(features.mean((2, 3))), atol=1e-4):
            raise InputError(refusal)


def _created(architecture: str, classes: int) -> Any:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise InputError("the recipe timm needs the library of that name: pip install timm") from error
    if not timm.is_model(architecture):
        raise InputError(f"timm has no model {architecture!r}: --architecture takes a name of timm.list_models()")
    return timm.create_model(architecture, pretrained=False, num_classes=classes)
