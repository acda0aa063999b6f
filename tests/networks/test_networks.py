"""The backbones: dlib's own numbers, centred sampling grids, and shapes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18 as torchvision_resnet18

from model.networks import network_grid
from model.networks.backbone import prepare_for_inference
from model.networks.build import build_network
from model.networks.dlib_resnet import RGB_MEAN, RGB_SCALE, DlibResNet
from model.networks.dlib_weights import DlibLayer, calibrate_batchnorm, find_weights, load_dlib_weights, read_layers
from model.networks.resnet18 import ResNet18

# What dlib's own network says of the test picture below: the first eight of its 128 numbers.
DESCRIPTOR = (-0.0494217, 0.104157, 0.0440354, -0.00845826, -0.0695289, -0.053835, -0.00996941, 0.00232591)


@pytest.fixture(scope="module")
def dlib_layers() -> list[DlibLayer]:
    return read_layers(find_weights().read_bytes())


def made_picture() -> Tensor:
    """``(1, 3, 150, 150)``: row i, column j is ((3i+j) mod 256, (i+7j) mod 256, (ij) mod 256)."""
    i, j = torch.arange(150)[:, None], torch.arange(150)[None, :]
    return torch.stack([(3 * i + j) % 256, (i + 7 * j) % 256, (i * j) % 256]).float()[None]


def original_descriptor(layers: list[DlibLayer], picture: Tensor) -> Tensor:
    """dlib's network as dlib defines it (all groups, 2x2 pooled shortcuts, affine layers), written from the raw layers."""
    numbered = iter(layers)

    def convolve(x: Tensor, stride: int, padding: int) -> Tensor:
        con, affine = next(numbered).tensors, next(numbered).tensors
        x = F.conv2d(x, con["weight"], con["bias"], stride, padding)
        return x * affine["weight"].view(1, -1, 1, 1) + affine["bias"].view(1, -1, 1, 1)

    x = (picture - torch.tensor(RGB_MEAN).view(1, 3, 1, 1)) / RGB_SCALE
    x = F.max_pool2d(convolve(x, 2, 0).relu(), 3, 2)
    for channels, blocks, downs in ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True)):
        for block in range(blocks):
            down = downs and block == 0
            shortcut = F.avg_pool2d(x, 2, 2) if down else x
            residual = convolve(convolve(x, 2 if down else 1, 0 if down else 1).relu(), 1, 1)
            height, width = (max(a, b) for a, b in zip(residual.shape[2:], shortcut.shape[2:], strict=True))
            padded = [F.pad(y, (0, width - y.shape[3], 0, height - y.shape[2], 0, channels - y.shape[1])) for y in (residual, shortcut)]
            x = (padded[0] + padded[1]).relu()
    descriptor: Tensor = x.mean((2, 3)) @ next(numbered).tensors["weight"].T
    assert next(numbered, None) is None
    return descriptor[0]


def test_the_reader_gives_dlibs_own_descriptor(dlib_layers: list[DlibLayer]) -> None:
    torch.testing.assert_close(original_descriptor(dlib_layers, made_picture())[:8], torch.tensor(DESCRIPTOR), atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:1000], lambda data: b"\xff" + data[1:], lambda data: data.replace(b"con_4", b"con_9", 1)]
)
def test_the_reader_refuses_damaged_weights(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(ValueError, match="dlib"):
        read_layers(damage(find_weights().read_bytes()))


def test_calibrated_batchnorm_computes_what_the_affine_layers_did(dlib_layers: list[DlibLayer]) -> None:
    network = DlibResNet().eval()
    load_dlib_weights(network, dlib_layers)
    images = torch.rand(4, 3, 99, 99, generator=torch.Generator().manual_seed(0)) * 255
    with torch.no_grad():
        before = network(images)
        calibrate_batchnorm(network, iter(torch.split(images, 2)))
        torch.testing.assert_close(network.eval()(images), before, atol=1e-4, rtol=1e-3)
        # and the statistics are those of the images: in training mode the first layer now gives the same
        stem = nn.Sequential(*network.stem[:2])
        inputs = (images - network.mean) / RGB_SCALE
        torch.testing.assert_close(stem.train()(inputs), stem.eval()(inputs), atol=1e-3, rtol=1e-3)


def symmetric(network: nn.Module) -> nn.Module:
    """The network with every kernel made its own mirror image."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            kernel = torch.randn(module.weight.shape, generator=generator) * (2 / module.weight[0].numel()) ** 0.5
            module.weight.data = (kernel + kernel.flip(-1)) / 2
    return network.eval()


def mirror_gap(network: nn.Module, size: int) -> float:
    """How far the features of a mirrored picture are from the mirrored features, relative to them."""
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1)) * 255
    with torch.inference_mode():
        features, mirrored = network(images), network(images.flip(-1)).flip(-1)
    return float((features - mirrored).norm() / features.norm())


@pytest.mark.parametrize(("size", "cells"), [(99, 5), (115, 6), (131, 7)])
def test_symmetric_kernels_on_dlibs_centred_grid_see_no_side(size: int, cells: int) -> None:
    network = symmetric(build_network("dlib_resnet"))
    assert mirror_gap(network, size) < 2e-6
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, size, size)).shape == (1, 256, cells, cells)
    grid = network_grid("dlib_resnet", size)
    assert grid.centre((cells - 1) / 2) == (size - 1) / 2 and grid.centred


def test_an_off_centre_grid_is_noticed() -> None:
    for name, size in (("dlib_resnet", 112), ("resnet18", 224)):
        assert mirror_gap(symmetric(build_network(name)), size) > 0.01
        assert not network_grid(name, size).centred


@pytest.mark.parametrize(("size", "cells"), [(193, 7), (225, 8)])
def test_symmetric_kernels_on_resnets_centred_grid_see_no_side(size: int, cells: int) -> None:
    network = symmetric(build_network("resnet18"))
    assert mirror_gap(network, size) < 2e-6
    grid = network_grid("resnet18", size)
    assert grid.centre((cells - 1) / 2) == (size - 1) / 2 and grid.centred


@pytest.mark.parametrize(("name", "size"), [("dlib_resnet", 115), ("resnet18", 193)])
def test_a_cells_gradient_is_centred_where_the_grid_says(name: str, size: int) -> None:
    network, grid = symmetric(build_network(name)), network_grid(name, size)
    for cell in (2, 3):
        images = (torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(2)) * 255).requires_grad_()
        network(images)[0, :, 2, cell].sum().backward()
        assert images.grad is not None
        columns = images.grad.abs().sum((0, 1, 2))
        seen = columns.nonzero().flatten()
        middle = (seen.min() + seen.max()).item() / 2
        if seen.min() > 0 and seen.max() < size - 1:  # the whole receptive field is inside
            assert middle == grid.centre(cell)
        mass = (columns * torch.arange(size)).sum() / columns.sum()
        assert abs(mass.item() - grid.centre(cell)) < grid.step / 2


@pytest.mark.parametrize(("name", "tails"), [("dlib_resnet", 1), ("dlib_resnet", 2), ("resnet18", 1)])
def test_a_network_prepared_for_inference_computes_the_same_without_batchnorm(name: str, tails: int) -> None:
    generator = torch.Generator().manual_seed(3)
    network = build_network(name, tails).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5, generator=generator)
            module.bias.normal_(0.0, 0.1, generator=generator)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0.0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    images = torch.rand(2, 3, 99, 99, generator=generator) * 255
    before = network(images)
    prepare_for_inference(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    torch.testing.assert_close(network(images), before, atol=1e-4 * before.max().item(), rtol=1e-4)


def test_two_tails_share_a_trunk() -> None:
    network = build_network("dlib_resnet", tails=2).eval()
    images = torch.rand(1, 3, 99, 99) * 255
    with torch.inference_mode():
        features, trunk = network(images), network.trunk(images)
        torch.testing.assert_close(features[:, :256], network.tails[0](trunk))
        torch.testing.assert_close(features[:, 256:], network.tails[1](trunk))
    assert network.channels == 512


def test_resnet18_is_torchvisions(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    reference = torchvision_resnet18(weights=None).eval()
    save_file(reference.state_dict(), path)
    network = ResNet18().eval()
    network.load_pretrained(path)
    images = torch.rand(1, 3, 97, 97) * 255
    with torch.inference_mode():
        pooled = network(images).mean((2, 3))
        expected = reference((images - network.mean) / network.std)
        torch.testing.assert_close(pooled @ reference.fc.weight.T + reference.fc.bias, expected, atol=1e-5, rtol=1e-4)


def test_resnet18_names_what_is_wrong_with_a_users_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    state = torchvision_resnet18(weights=None).state_dict()
    del state["layer1.0.conv1.weight"]
    save_file(state, path)
    with pytest.raises(ValueError, match=r"layer1\.0\.conv1\.weight"):
        ResNet18().load_pretrained(path)


def test_unknown_networks_are_named() -> None:
    with pytest.raises(ValueError, match="dlib_resnet, resnet18"):
        build_network("vgg")
