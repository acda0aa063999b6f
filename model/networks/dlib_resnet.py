"""dlib's face-recognition residual network, turned into a feature extractor whose sampling grid is centred.

Source of the architecture: the metric-learning face network that ships with dlib (stem, then residual groups of 32, 64, 128 and 256
channels). Three changes make it fit for comparing a face with its mirror image:

* every ``down`` block's shortcut is a 3x3/2 average pool without padding, the same window as its convolution (dlib pools 2x2);
* the first 256-channel group keeps stride 1, and dlib's second 256-channel group is dropped;
* dlib's frozen affine layers become BatchNorm.

Cell ``i`` of the map is then centred at input pixel ``17 + 16 i``, and at the input sizes 99, 115 and 131 (5x5, 6x6 and 7x7 maps)
the grid is centred on the picture: with left-right symmetric kernels, ``features(hflip(x)) == hflip(features(x))`` to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.networks.backbone import Backbone

RGB_MEAN = (122.782, 117.001, 104.298)  # dlib's input_rgb_image_sized
RGB_SCALE = 256.0

# (channels, blocks, stride of the first block) of every group after the stem
GROUPS = ((32, 3, 1), (64, 4, 2), (128, 3, 2), (256, 3, 1))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm and a parameter-free shortcut.

    Input ``(N, in_channels, H, W)``; output ``(N, channels, h, w)`` with ``h = H`` at stride 1 and ``h = (H - 3) // 2 + 1`` at stride 2.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.new_channels = channels - in_channels
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1 if stride == 1 else 0, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = x if self.stride == 1 else F.avg_pool2d(x, 3, 2)
        if self.new_channels:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self.new_channels))  # dlib's add_prev: missing channels count as zero
        return F.relu(residual + shortcut)


class DlibResNet(Backbone):
    """Last feature map of the network.

    Input: ``(N, 3, S, S)`` RGB in 0..255. Output: ``(N, tails * 256, h, w)``, non-negative, ``h = w = (S - 35) // 16 + 1``.

    Args:
        tails: how many parallel copies of the last residual block there are; their outputs are concatenated along the channels.
            One, except for the bilateral-branch method (BBN), which trains two.
    """

    mean: Tensor

    def __init__(self, tails: int = 1) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(RGB_MEAN).view(1, 3, 1, 1), persistent=False)
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 7, 2, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(3, 2))
        blocks: list[nn.Module] = []
        channels = 32
        for out_channels, count, stride in GROUPS:
            for index in range(count):
                blocks.append(ResidualBlock(channels, out_channels, stride if index == 0 else 1))
                channels = out_channels
        last = blocks.pop()
        self.blocks = nn.Sequential(*blocks)
        self.tails = nn.ModuleList([last] + [ResidualBlock(channels, channels, 1) for _ in range(tails - 1)])
        self.channels = channels * tails

    def trunk(self, x: Tensor) -> Tensor:
        normalised: Tensor = (x - self.mean) / RGB_SCALE
        features: Tensor = self.blocks(self.stem(normalised))
        return features
