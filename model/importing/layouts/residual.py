"""ResNets: torchvision's, the one of Erasing Attention Consistency (EAC), and the one of Relative Uncertainty Learning (RUL)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from model.classifier import PooledHead, PositionalHead
from model.importing.layouts.base import PublishedNetwork, pooled_head
from model.methods.rul import Branch

if TYPE_CHECKING:
    from torchvision.models import ResNet

TORCHVISION_RESNETS = ("resnet18", "resnet34", "resnet50")


class TorchvisionResNet(PublishedNetwork):
    """A torchvision ResNet whose ``fc`` is one linear layer."""

    grid_first, grid_step = 0, 32  # the padding of every stride-2 layer keeps cell i at input pixel 32 i

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        self.net = torchvision_resnet(architecture)
        self.net.fc = nn.Linear(self.net.fc.in_features, classes)

    def features(self, images: Tensor) -> Tensor:
        return resnet_features(self.net, images)

    def answer(self, features: Tensor) -> Tensor:
        logits: Tensor = self.net.fc(self.net.avgpool(features).flatten(1))
        return logits

    def head(self, order: Tensor, input_size: int) -> PooledHead:
        return pooled_head(self.net.fc, order)


class EacResNet(TorchvisionResNet):
    """EAC's ResNet-50, which has torchvision's tensors and is another network: each stage halves in its first block's 1x1 convolution, as
    Caffe's ResNets do, and the pooling after the stem is not padded but rounded up."""

    grid_first = 2  # the unpadded pooling centres cell 0 one of its own input pixels further in, which are 2 of the picture

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        self.net.maxpool = nn.MaxPool2d(3, 2, padding=0, ceil_mode=True)
        for stage in (self.net.layer2, self.net.layer3, self.net.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)


class RulNetwork(PublishedNetwork):
    """RUL: torchvision's ResNet-18, then ``mu``, which flattens all cells into 64 numbers, and ``fc`` on those."""

    grid_first, grid_step = 0, 32
    CELLS, DIMENSIONS = 7, 64

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        self.net = torchvision_resnet(architecture)
        del self.net.fc
        self.mu = Branch(512, self.CELLS, self.DIMENSIONS, 0.0)
        self.fc = nn.Linear(self.DIMENSIONS, classes)

    def features(self, images: Tensor) -> Tensor:
        return resnet_features(self.net, images)

    def answer(self, features: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.mu(features))
        return logits

    def head(self, order: Tensor, input_size: int) -> PositionalHead:
        """``fc(mu(F))``, with weights of its own for every cell."""
        return self.mu.with_layer(self.fc.weight[order], self.fc.bias[order])

    @classmethod
    def dropped(cls, name: str) -> bool:
        """The branch of the uncertainty serves training alone."""
        return name.startswith("log_var.") or super().dropped(name)


def torchvision_resnet(architecture: str) -> ResNet:
    """One of :data:`TORCHVISION_RESNETS`, untrained."""
    from torchvision import models  # here, since importing it costs a service without imported models 165 MB

    net: ResNet = getattr(models, architecture)(weights=None)
    return net


def resnet_features(net: ResNet, images: Tensor) -> Tensor:
    """The last feature map, ``(N, C, h, w)``."""
    x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
    features: Tensor = net.layer4(net.layer3(net.layer2(net.layer1(x))))
    return features
