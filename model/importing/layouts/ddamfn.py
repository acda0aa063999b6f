"""DDAMFN (Zhang et al., "A Dual-Direction Attention Mixed Feature Network", Electronics 2023) as its repository's ``DDAMFN++`` has it: a
mobile network of mixed kernels, heads of coordinate attention, a 7x7 kernel a channel over all cells, one linear layer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.classifier import PositionalHead
from model.importing.layouts.base import PublishedNetwork
from model.importing.layouts.face_recognition import ConvNorm

Parts = Sequence[tuple[int, int]]  # how many channels, and the side of their kernels

CHANNELS, CELLS, HEADS, REDUCTION = 512, 7, 2, 32


class MixedKernels(nn.Module):
    """A kernel for each channel, of a size that its part of the channels has: ``(N, C, H, W)`` -> ``(N, C, ceil(H / s), ceil(W / s))``."""

    def __init__(self, parts: Parts, stride: int) -> None:
        super().__init__()
        self.shares = [channels for channels, _ in parts]
        convs = [nn.Conv2d(channels, channels, side, stride, side // 2, groups=channels, bias=False) for channels, side in parts]
        self.mixed_depthwise_conv = nn.ModuleList(convs)

    def forward(self, x: Tensor) -> Tensor:
        parts = zip(self.mixed_depthwise_conv, torch.split(x, self.shares, 1), strict=True)
        return torch.cat([conv(part) for conv, part in parts], 1)


class CoordinateAttention(nn.Module):
    """A number in 0..1 for each cell, the product of one that its row decides and one that its column does: ``(N, C, h, w)`` in and out.

    Rows and columns are summed up by means, or by weights of their own for ``cells`` cells.
    """

    def __init__(self, channels: int, cells: int | None = None) -> None:
        super().__init__()
        narrow = max(8, channels // REDUCTION)
        if cells is not None:
            self.row = ConvNorm(nn.Conv2d(channels, channels, (1, cells), groups=channels, bias=False))
            self.column = ConvNorm(nn.Conv2d(channels, channels, (cells, 1), groups=channels, bias=False))
        self.conv1, self.bn1 = nn.Conv2d(channels, narrow, 1), nn.BatchNorm2d(narrow)
        self.conv2, self.conv3 = nn.Conv2d(narrow, channels, 1), nn.Conv2d(narrow, channels, 1)
        self.learned = cells is not None

    def forward(self, x: Tensor) -> Tensor:
        rows = self.row(x) if self.learned else x.mean(3, keepdim=True)
        columns = (self.column(x) if self.learned else x.mean(2, keepdim=True)).transpose(2, 3)
        narrow = F.hardswish(self.bn1(self.conv1(torch.cat((rows, columns), 2))))
        of_rows, of_columns = torch.split(narrow, [rows.shape[2], columns.shape[2]], 2)
        return torch.sigmoid(self.conv2(of_rows)) * torch.sigmoid(self.conv3(of_columns)).transpose(2, 3)


class MixedBlock(nn.Module):
    """Wider by a 1x1 convolution, mixed kernels, attention, narrow again; added to its input where ``residual``.

    Args:
        parts: of the wide channels.
    """

    def __init__(self, channels_in: int, channels_out: int, parts: Parts, stride: int = 1, residual: bool = False) -> None:
        super().__init__()
        wide = sum(channels for channels, _ in parts)
        self.conv = ConvNorm(nn.Conv2d(channels_in, wide, 1, bias=False), prelu=True)
        self.conv_dw = MixedKernels(parts, stride)
        self.attention = CoordinateAttention(wide)
        self.project = ConvNorm(nn.Conv2d(wide, channels_out, 1, bias=False))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.conv_dw(self.conv(x))
        projected: Tensor = self.project(mixed * self.attention(mixed))
        return x + projected if self.residual else projected


def _stage(count: int, channels: int, *parts: tuple[int, int]) -> nn.Sequential:
    blocks = [MixedBlock(channels, channels, parts, residual=True) for _ in range(count)]
    return nn.Sequential(OrderedDict(model=nn.Sequential(*blocks)))


class Ddamfn(PublishedNetwork):
    """The features are the cells after attention: attention depends on the face, and is what it is there; all above is linear in them."""

    grid_first, grid_step = 0, 16

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        self.net = nn.Sequential(
            ConvNorm(nn.Conv2d(3, 64, 3, 2, padding=1, bias=False), prelu=True),
            ConvNorm(nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False), prelu=True),
            MixedBlock(64, 64, ((64, 3), (32, 5), (32, 7)), 2),
            _stage(9, 64, (96, 3), (32, 5)),
            MixedBlock(64, 128, ((128, 3), (64, 5), (64, 7)), 2),
            _stage(16, 128, (192, 3), (64, 5)),
            MixedBlock(128, 256, ((256, 3), (256, 5), (256, 7), (256, 9)), 2),
            _stage(6, 256, (172, 3), (170, 5), (170, 7)),
            ConvNorm(nn.Conv2d(256, CHANNELS, 1, bias=False), prelu=True),
        )
        self.heads = nn.ModuleList(CoordinateAttention(CHANNELS, CELLS) for _ in range(HEADS))
        self.whole = ConvNorm(nn.Conv2d(CHANNELS, CHANNELS, CELLS, groups=CHANNELS, bias=False))
        self.fc = nn.Linear(CHANNELS, classes)

    def features(self, images: Tensor) -> Tensor:
        x: Tensor = self.net(images)
        return x * torch.stack([head(x) for head in self.heads]).amax(0)

    def answer(self, features: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.whole(features).flatten(1))
        return logits

    @torch.no_grad()
    def head(self, order: Tensor, input_size: int) -> PositionalHead:
        kernel, norm, rows = self.whole.conv.weight[:, 0].double(), self.whole.bn, self.fc.weight.double()[order]
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        bias = rows @ (norm.bias - norm.running_mean * scale) + self.fc.bias[order]
        return PositionalHead(torch.einsum("lc,c,chw->lchw", rows, scale, kernel).float(), bias.float())

    @classmethod
    def dropped(cls, name: str) -> bool:
        """Norms and a layer that the repository defines and does not call."""
        idle = name.startswith("bn.") or any(part in name for part in (".conv_dw.bn.", ".conv_dw.prelu.", ".CoordAtt.Linear."))
        return idle or super().dropped(name)
