"""Mine Extra Knowledge (MEK): Swin-T with patches of 2x2 pixels, a norm of each cell, global average pooling and one linear layer.

Its definition is that of the Swin Transformer's authors; torchvision's has other names and computes the same.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

from model.classifier import PooledHead
from model.importing.layouts.base import PublishedNetwork, pooled_head

PATCH, STAGES = 2, 4
_INSIDE_A_BLOCK = {"mlp.fc1": "mlp.0", "mlp.fc2": "mlp.3"}


class MekSwin(PublishedNetwork):
    """The features are the cells after the norm, so that the head is linear in them."""

    grid_first, grid_step = 7, PATCH * 2 ** (STAGES - 1)  # cell 0 is centred between pixels 7 and 8

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        from torchvision.models import SwinTransformer

        self.net = SwinTransformer(
            patch_size=[PATCH, PATCH], embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], window_size=[7, 7], num_classes=classes
        )

    def features(self, images: Tensor) -> Tensor:
        cells: Tensor = self.net.norm(self.net.features(images))
        return cells.permute(0, 3, 1, 2)

    def answer(self, features: Tensor) -> Tensor:
        logits: Tensor = self.net.head(self.net.avgpool(features).flatten(1))
        return logits

    def head(self, order: Tensor, input_size: int) -> PooledHead:
        linear: nn.Linear = self.net.head
        return pooled_head(linear, order)

    @classmethod
    def dropped(cls, name: str) -> bool:
        """Besides tables that follow from the sizes, the encoder holds a norm and a face recognition head that MEK does not call."""
        computed = name.endswith(("relative_position_index", "attn_mask"))
        return computed or name.startswith(("encoder.norm.", "encoder.feature.", "encoder.head.")) or super().dropped(name)


def torchvision_name(name: str) -> str:
    """What torchvision calls a tensor of MEK's file."""
    if not name.startswith("encoder."):
        return f"net.{name}"
    name = name.removeprefix("encoder.")
    name = name.replace("patch_embed.proj", "features.0.0").replace("patch_embed.norm", "features.0.2")
    if found := re.fullmatch(r"layers\.(\d)\.blocks\.(\d)\.(.*)\.(\w+)", name):
        stage, block, layer, kind = found.groups()
        return f"net.features.{2 * int(stage) + 1}.{block}.{_INSIDE_A_BLOCK.get(layer, layer)}.{kind}"
    if found := re.fullmatch(r"layers\.(\d)\.downsample\.(.*)", name):
        return f"net.features.{2 * int(found.group(1)) + 2}.{found.group(2)}"
    return f"net.{name}"
