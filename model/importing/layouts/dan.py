"""DAN (Wen et al., "Distract Your Attention", Biomimetics 2023): ResNet-18, four heads of spatial and channel attention, a linear layer on
the sum of their log-softmax, BatchNorm on the logits. No exact map exists."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.importing.integrated import IntegratedHead
from model.importing.layouts.base import PublishedNetwork, integrated_head
from model.importing.layouts.residual import resnet_features, torchvision_resnet

CHANNELS, HEADS = 512, 4


class SpatialAttention(nn.Module):
    """Each cell times a number that its neighbourhood decides: ``(N, 512, h, w)`` in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1x1 = _conv(CHANNELS, 256, (1, 1))
        self.conv_3x3, self.conv_1x3, self.conv_3x1 = (_conv(256, CHANNELS, size) for size in ((3, 3), (1, 3), (3, 1)))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1x1(x)
        scale = F.relu(self.conv_3x3(y) + self.conv_1x3(y) + self.conv_3x1(y)).sum(1, keepdim=True)
        return x * scale


class ChannelAttention(nn.Module):
    """Pooled channels, each times a number in 0..1 that all of them decide: ``(N, 512, h, w)`` -> ``(N, 512)``."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.Linear(CHANNELS, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, CHANNELS), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3))
        scale: Tensor = self.attention(pooled)
        return pooled * scale


class CrossAttentionHead(nn.Module):
    """Spatial, then channel attention."""

    def __init__(self) -> None:
        super().__init__()
        self.sa, self.ca = SpatialAttention(), ChannelAttention()

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.ca(self.sa(x))
        return pooled


class Dan(PublishedNetwork):
    """The four heads' outputs pass a log-softmax over the heads before they are added."""

    grid_first, grid_step = 0, 32

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        self.net = torchvision_resnet(architecture)
        del self.net.fc
        for number in range(HEADS):
            setattr(self, f"cat_head{number}", CrossAttentionHead())
        self.fc, self.bn = nn.Linear(CHANNELS, classes), nn.BatchNorm1d(classes)

    def features(self, images: Tensor) -> Tensor:
        return resnet_features(self.net, images)

    def answer(self, features: Tensor) -> Tensor:
        heads = torch.stack([getattr(self, f"cat_head{number}")(features) for number in range(HEADS)], 1)
        logits: Tensor = self.bn(self.fc(F.log_softmax(heads, 1).sum(1)))
        return logits

    def head(self, order: Tensor, input_size: int) -> IntegratedHead:
        return integrated_head(self, order, input_size)


def _conv(channels_in: int, channels_out: int, size: tuple[int, int]) -> nn.Sequential:
    padding = (size[0] // 2, size[1] // 2)
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, size, padding=padding), nn.BatchNorm2d(channels_out))
