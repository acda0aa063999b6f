"""ResNet-18, the backbone of the paper, from torchvision.

Its stride-2 layers sample an off-centre grid at even sizes: at the usual 224 px the grids of a picture and of its mirror image sit
apart, so part of any flip inconsistency is the sampling, not the model. ``(S - 1) % 32 == 0`` centres the grid: use 193 or 225 px.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from model.errors import InputError, file_errors
from model.networks.backbone import Backbone

if TYPE_CHECKING:
    from torchvision.models import ResNet

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ResNet18(Backbone):
    """Last feature map of torchvision's ResNet-18.

    Input: ``(N, 3, S, S)`` RGB in 0..255. Output: ``(N, tails * 512, h, w)``, non-negative; 7x7 at 193 px, 8x8 at 225 px.

    Args:
        tails: copies of the last residual block whose outputs are concatenated (two for BBN).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, tails: int = 1) -> None:
        super().__init__()
        net = _torchvision_resnet18()
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.blocks = nn.Sequential(*net.layer1, *net.layer2, *net.layer3, net.layer4[0])
        extra = [_torchvision_resnet18().layer4[1] for _ in range(tails - 1)]
        self.tails = nn.ModuleList([net.layer4[1], *extra])
        self.channels = 512 * tails

    def trunk(self, x: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.stem((x - self.mean) / self.std))
        return features

    @file_errors()
    def load_pretrained(self, path: Path) -> None:
        """Load a user's ResNet-18 weights: a safetensors file with torchvision's tensor names (``fc.*`` is ignored).

        Raises:
            InputError: no such file, not a safetensors file, or a tensor is missing or has another shape; the message names it.
        """
        try:
            state = {name: tensor for name, tensor in load_file(path).items() if not name.startswith("fc.")}
        except SafetensorError as error:
            raise InputError(f"{path}: a safetensors file is needed, which safetensors.torch.save_file makes of a state_dict") from error
        net = _torchvision_resnet18()
        net.fc = nn.Identity()
        try:
            net.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"{path}: not torchvision ResNet-18 weights: {error}") from error
        source = nn.Sequential(*net.layer1, *net.layer2, *net.layer3, net.layer4[0])
        self.stem.load_state_dict(nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool).state_dict())
        self.blocks.load_state_dict(source.state_dict())
        for tail in self.tails:
            tail.load_state_dict(net.layer4[1].state_dict())


def _torchvision_resnet18() -> ResNet:
    from torchvision.models import resnet18  # here, since importing it costs a service of other networks 165 MB

    return resnet18(weights=None)
