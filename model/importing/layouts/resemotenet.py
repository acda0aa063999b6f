"""ResEmoteNet (Roy et al., IEEE Signal Processing Letters 2024): three convolutions, squeeze and excitation, three residual blocks, and
four linear layers, for which no exact map exists."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from model.importing.integrated import IntegratedHead
from model.importing.layouts.base import PublishedNetwork, integrated_head


class SqueezeExcite(nn.Module):
    """Each channel times a number in 0..1 that the means of all channels decide: ``(N, C, H, W)`` in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // 16
        self.fc = nn.Sequential(nn.Linear(channels, narrow, bias=False), nn.ReLU(), nn.Linear(narrow, channels, bias=False), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * cast("Tensor", self.fc(x.mean((2, 3))))[:, :, None, None]


class HalvingBlock(nn.Module):
    """A residual block that halves the map: ``(N, in, H, W)`` -> ``(N, out, ceil(H / 2), ceil(W / 2))``."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels_in, channels_out, 3, 2, padding=1), nn.BatchNorm2d(channels_out)
        self.conv2, self.bn2 = nn.Conv2d(channels_out, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, 2), nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(residual + self.shortcut(x))


class ResEmoteNet(PublishedNetwork):
    """Its map here is that of the squeeze and excitation: the last one has a single cell at 64 pixels."""

    grid_first, grid_step = 3, 8  # three unpadded 2x2 poolings centre cell 0 at pixel 3.5

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        for number, (channels_in, channels_out) in enumerate(((3, 64), (64, 128), (128, 256)), 1):
            setattr(self, f"conv{number}", nn.Conv2d(channels_in, channels_out, 3, padding=1))
            setattr(self, f"bn{number}", nn.BatchNorm2d(channels_out))
        self.se = SqueezeExcite(256)
        self.res_block1, self.res_block2, self.res_block3 = HalvingBlock(256, 512), HalvingBlock(512, 1024), HalvingBlock(1024, 2048)
        self.fc1, self.fc2, self.fc3 = nn.Linear(2048, 1024), nn.Linear(1024, 512), nn.Linear(512, 256)
        self.fc4 = nn.Linear(256, classes)

    def features(self, images: Tensor) -> Tensor:
        x = images
        for number in (1, 2, 3):
            x = F.max_pool2d(F.relu(getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x))), 2)
        features: Tensor = self.se(x)
        return features

    def answer(self, features: Tensor) -> Tensor:
        """Everything above the squeeze and excitation: three blocks and four linear layers."""
        x = self.res_block3(self.res_block2(self.res_block1(features))).mean((2, 3))
        logits: Tensor = self.fc4(F.relu(self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))))
        return logits

    def head(self, order: Tensor, input_size: int) -> IntegratedHead:
        return integrated_head(self, order, input_size, from_mean=True)
