"""Networks for face recognition that expression networks are built on, and their layers."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn


class ConvNorm(nn.Module):
    """A convolution without bias, BatchNorm, and a PReLU where one follows."""

    def __init__(self, conv: nn.Conv2d, prelu: bool = False) -> None:
        super().__init__()
        self.conv, self.bn = conv, nn.BatchNorm2d(conv.out_channels)
        if prelu:
            self.prelu = nn.PReLU(conv.out_channels)
        self.activated = prelu

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x))
        return self.prelu(y) if self.activated else y


class InvertedBlock(nn.Module):
    """Wider by a 1x1 convolution, a 3x3 kernel for each channel, narrow again; added to its input where ``residual``."""

    def __init__(self, channels_in: int, channels_out: int, wide: int, stride: int = 1, residual: bool = False) -> None:
        super().__init__()
        self.conv = ConvNorm(nn.Conv2d(channels_in, wide, 1, bias=False), prelu=True)
        self.conv_dw = ConvNorm(nn.Conv2d(wide, wide, 3, stride, padding=1, groups=wide, bias=False), prelu=True)
        self.project = ConvNorm(nn.Conv2d(wide, channels_out, 1, bias=False))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.project(self.conv_dw(self.conv(x)))
        return x + projected if self.residual else projected


def mobile_face_net() -> nn.Sequential:
    """MobileFaceNet (Chen et al., CCBR 2018) up to its last map: ``(N, 3, 112, 112)`` -> ``(N, 512, 7, 7)``."""

    def stage(count: int, channels: int, wide: int) -> nn.Sequential:
        blocks = [InvertedBlock(channels, channels, wide, residual=True) for _ in range(count)]
        return nn.Sequential(OrderedDict(model=nn.Sequential(*blocks)))

    return nn.Sequential(
        OrderedDict(
            conv1=ConvNorm(nn.Conv2d(3, 64, 3, 2, padding=1, bias=False), prelu=True),
            conv2_dw=ConvNorm(nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False), prelu=True),
            conv_23=InvertedBlock(64, 64, 128, 2),
            conv_3=stage(4, 64, 128),
            conv_34=InvertedBlock(64, 128, 256, 2),
            conv_4=stage(6, 128, 256),
            conv_45=InvertedBlock(128, 128, 512, 2),
            conv_5=stage(2, 128, 256),
            conv_6_sep=ConvNorm(nn.Conv2d(128, 512, 1, bias=False), prelu=True),
        )
    )


class ImprovedResidual(nn.Module):
    """ArcFace's block (Deng et al., CVPR 2019): a norm first, the stride in the second convolution, none after the sum."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        short = (nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out))
        self.shortcut_layer = nn.MaxPool2d(1, stride) if channels_in == channels_out else nn.Sequential(*short)
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(channels_in),
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.PReLU(channels_out),
            nn.Conv2d(channels_out, channels_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return y


def ir50() -> nn.Sequential:
    """ArcFace's IR-50 without its last stage: ``(N, 3, 112, 112)`` -> ``(N, 256, 14, 14)``."""
    blocks: list[nn.Module] = []
    for count, channels_in, channels_out in ((3, 64, 64), (4, 64, 128), (14, 128, 256)):
        blocks.append(ImprovedResidual(channels_in, channels_out, 2))
        blocks += [ImprovedResidual(channels_out, channels_out, 1) for _ in range(count - 1)]
    stem = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
    return nn.Sequential(OrderedDict(input_layer=stem, body=nn.Sequential(*blocks)))
