"""Networks of the library timm. Of those that end in global average pooling, maybe a norm of the mean, and one linear layer the logits are
linear in the cells: its CNNs, Swin, and the ViTs that average their tokens. A ViT that reads its class token has approximate maps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import isqrt
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.classifier import linear_head
from model.errors import InputError
from model.importing.integrated import Head
from model.importing.layouts.base import PublishedNetwork, integrated_head
from model.importing.layouts.cell_places import first_cell, refuse_padding_by_size
from model.networks import Grid


class TimmNetwork(PublishedNetwork):
    """A timm model by its name there.

    Where a LayerNorm of the pooled cells stands before the linear layer, the features are the cells over the deviation that it divides by:
    that depends on the face, and is what it is there; all above is linear in them.

    A class token hears of the cells through attention alone. The features then are the tokens as the last block gets them, beside each
    cell's those that stand for no cell: what these had heard before belongs to no cell, and is shared out evenly.

    Raises:
        InputError: timm is not installed or has no such model, or its head is another.
    """

    foldable: ClassVar[bool] = False  # some of timm's BatchNorms hold the activation, too

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        self.net = _created(architecture, classes)
        self._architecture = architecture
        self._channels_last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
        self._reads_token = getattr(self.net, "global_pool", None) == "token"
        refuse_padding_by_size(self.net)
        self._check()

    def features(self, images: Tensor) -> Tensor:
        return self._before_last_block(images) if self._reads_token else self._normed(self._cells(self._last(images)))

    def logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net.forward_head(self._last(images))
        return logits

    def answer(self, features: Tensor) -> Tensor:
        return self._last_block(features) if self._reads_token else F.linear(features.mean((2, 3)), *self._affine())

    def grid(self, input_size: int) -> Grid:
        """Patches have cell 0 in their middle; of convolutions its place is measured, and where that fails taken for the first pixel, where
        padded ones have it."""
        step = int(self.net.feature_info[-1]["reduction"])
        stem = next(module for module in self.net.modules() if isinstance(module, nn.Conv2d))
        if stem.kernel_size == stem.stride:
            return Grid(step // 2 - 1, step, input_size)
        return Grid(int(first_cell(self, TimmNetwork.features, step) or 0), step, input_size)

    def head(self, order: Tensor, input_size: int) -> Head:
        if self._reads_token:
            return integrated_head(self, order, input_size, from_mean=True)
        weight, bias = self._affine()
        return linear_head(weight.detach()[order], bias.detach()[order])

    def _last(self, images: Tensor) -> Tensor:
        """What timm's head reads, in its own layout."""
        with self._size_refused(images):
            last: Tensor = self.net.forward_features(images)
        return last

    @contextmanager
    def _size_refused(self, images: Tensor) -> Iterator[None]:
        try:
            yield
        except AssertionError as error:
            raise InputError(f"timm's {self._architecture} takes no input of {images.shape[-1]} pixels ({error}): give --size") from error

    def _before_last_block(self, images: Tensor) -> Tensor:
        """Tokens of the cells ``(N, C, h, w)``, and at each cell the others: ``(N, (1 + prefix) C, h, w)``."""
        with self._size_refused(images):
            ((cells, others),) = self.net.forward_intermediates(
                images, indices=[len(self.net.blocks) - 2], return_prefix_tokens=True, stop_early=True, intermediates_only=True
            )
        everywhere = others.flatten(1)[:, :, None, None].expand(-1, -1, *cells.shape[2:])
        return torch.cat((cells, everywhere), 1)

    def _last_block(self, features: Tensor) -> Tensor:
        """Logits ``(N, K)`` of what :meth:`_before_last_block` gives."""
        width = self.net.embed_dim
        cells, others = features[:, :width], features[:, width:].mean((2, 3)).view(len(features), -1, width)
        tokens = torch.cat((others, cells.flatten(2).transpose(1, 2)), 1)
        logits: Tensor = self.net.forward_head(self.net.norm(self.net.blocks[-1](tokens)))
        return logits

    def _cells(self, last: Tensor) -> Tensor:
        """``(N, C, h, w)`` of channels in the last place, of tokens after those that stand for no cell, or as it is."""
        if self._channels_last:
            return last.permute(0, 3, 1, 2)
        if last.dim() == 4:
            return last
        tokens = last[:, self.net.num_prefix_tokens :]
        side = isqrt(tokens.shape[1])
        return tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)

    def _norm(self) -> nn.LayerNorm | None:
        """That of the pooled cells."""
        found = getattr(self.net, "fc_norm", None) or getattr(getattr(self.net, "head", None), "norm", None)
        return found if isinstance(found, nn.LayerNorm) else None

    def _normed(self, cells: Tensor) -> Tensor:
        norm = self._norm()
        if norm is None:
            return cells
        variance = cells.mean((2, 3), keepdim=True).var(1, unbiased=False, keepdim=True)
        return cells / (variance + norm.eps).sqrt()

    def _affine(self) -> tuple[Tensor, Tensor]:
        """Weight ``(K, C)`` and bias ``(K,)`` of the linear layer, on the mean of the features; a LayerNorm's centring and affine in it."""
        linear, norm = cast("nn.Linear", self.net.get_classifier()), self._norm()
        if norm is None:
            return linear.weight, linear.bias
        scaled = linear.weight * norm.weight
        return scaled - scaled.mean(1, keepdim=True), linear.weight @ norm.bias + linear.bias

    @torch.no_grad()
    def _check(self) -> None:
        """Holds timm's head against ours, on random features."""
        refusal = (
            f"timm's {self._architecture} does not end in global average pooling and one linear layer, of which exact maps can be made, "
            "nor is it one of timm's VisionTransformers that read a class token"
        )
        if self._reads_token:
            self._check_token(refusal)
            return
        linear, channels = self.net.get_classifier(), self.net.num_features
        if not isinstance(linear, nn.Linear) or linear.in_features != channels:
            raise InputError(refusal)
        given = torch.rand(2, channels, 7, 7)
        if self._channels_last:
            given = given.permute(0, 2, 3, 1)
        elif hasattr(self.net, "num_prefix_tokens"):
            given = torch.rand(2, self.net.num_prefix_tokens + 49, channels)
        self.eval()
        try:
            alike = torch.allclose(self.net.forward_head(given), self.answer(self._normed(self._cells(given))), atol=1e-4)
        except (RuntimeError, ValueError, IndexError) as error:  # a head of something else
            raise InputError(refusal) from error
        if not alike:
            raise InputError(refusal)

    def _check_token(self, refusal: str) -> None:
        """Holds the last block and what is above it against the whole network, on noise."""
        from timm.models.vision_transformer import VisionTransformer

        if not (isinstance(self.net, VisionTransformer) and len(self.net.blocks) > 1):
            raise InputError(refusal)
        size = int(cast("Any", self.net).pretrained_cfg["input_size"][-1])
        given = torch.rand(1, 3, size, size)
        self.eval()
        if not torch.allclose(self.net(given), self.answer(self.features(given)), atol=1e-4):
            raise InputError(refusal)


def timm_classifier(architecture: str) -> str:
    """The tensor of a timm model whose rows are its classes; empty where timm does not say."""
    try:
        from timm.models import get_pretrained_cfg

        known = get_pretrained_cfg(architecture)
    except (ModuleNotFoundError, RuntimeError):  # no timm, or no such tag of the name
        return ""  # which is told when the network is built
    named = known.classifier if known else None
    return f"net.{named if isinstance(named, str) else named[0]}.weight" if named else ""


def _created(architecture: str, classes: int) -> Any:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise InputError("the recipe timm needs the library of that name: pip install timm") from error
    if not timm.is_model(architecture):
        raise InputError(f"timm has no model {architecture!r}: --architecture takes a name of timm.list_models()")
    try:
        timm.models.get_pretrained_cfg(architecture)
    except RuntimeError as error:  # what follows the dot is not passed over: it may decide the input size that the network is built for
        name = architecture.partition(".")[0]
        raise InputError(f"timm {timm.__version__} has {name}, but not as {architecture!r}: give --architecture {name}") from error
    return timm.create_model(architecture, pretrained=False, num_classes=classes)
