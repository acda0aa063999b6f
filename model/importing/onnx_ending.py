"""How the graph of a classifier ends, and where the cells of its last feature map lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

UNCHANGED = {"Identity", "Dropout"}
FLATTENING = UNCHANGED | {"Flatten", "Reshape", "Squeeze"}
WINDOWED = {"Conv", "MaxPool", "AveragePool", "LpPool"}
# Operators whose outputs have no cells, and those that put cells elsewhere.
UNPLACED = {"GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceSum", "Flatten", "Gemm", "MatMul", "Shape", "Gather"}
MOVING = {"Reshape", "Slice", "DepthToSpace", "SpaceToDepth", "Resize", "ConvTranspose", "Pad", "Tile", "Expand"}
ADVICE = "import its weights with the recipe of its network, or export one that ends so"


@dataclass(frozen=True)
class Ending:
    """``features``: the name of the map ``(N, C, h, w)`` of which the classifier, ``weight`` ``(K, C)`` and ``bias`` ``(K,)``, takes the
    mean."""

    features: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


class _Graph:
    """Who makes each value, and which are constants."""

    def __init__(self, graph: GraphProto) -> None:
        self.makers: dict[str, NodeProto] = {name: node for node in graph.node for name in node.output}
        self._held = {tensor.name: tensor for tensor in graph.initializer}

    def maker(self, name: str, skipped: set[str]) -> NodeProto | None:
        """The node behind a value, beyond nodes of the skipped kinds."""
        seen = 0
        while (node := self.makers.get(name)) is not None and node.op_type in skipped and seen <= len(self.makers):
            name, seen = node.input[0], seen + 1
        return node

    def constant(self, name: str) -> NDArray[Any] | None:
        from onnx import numpy_helper

        if name in self._held:
            return numpy_helper.to_array(self._held[name])
        node = self.maker(name, UNCHANGED)
        if node is None or node.op_type != "Constant":
            return None
        return next((numpy_helper.to_array(attribute.t) for attribute in node.attribute if attribute.name == "value"), None)


def found_ending(graph: GraphProto) -> Ending:
    """The ending that gives exact maps: the mean over the cells of a feature map, then one linear layer.

    Raises:
        InputError: it is another.
    """
    known = _Graph(graph)
    last = known.maker(graph.output[0].name, UNCHANGED)
    if last is not None and last.op_type in ("Softmax", "LogSoftmax", "Sigmoid"):
        raise InputError(f"ends in {last.op_type}: export the network without it, so that it answers logits")
    found = None if last is None else _linear(known, last)
    if found is None:
        raise InputError(f"ends in {last.op_type if last else 'no node'}, not in one linear layer, so it has no exact maps: {ADVICE}")
    given, weight, bias = found
    pool = known.maker(given, FLATTENING)
    if pool is None or not _is_mean(known, pool):
        kind = pool.op_type if pool else "the input"
        raise InputError(f"its last layer reads {kind}, not the mean of a feature map (N, C, h, w), so it has no exact maps: {ADVICE}")
    return Ending(pool.input[0], np.array(weight, np.float32, order="C"), np.array(bias, np.float32))


def _linear(graph: _Graph, last: NodeProto) -> tuple[str, NDArray[Any], NDArray[Any]] | None:
    """The value that a Gemm, or a MatMul and an Add, reads, and their weight ``(K, C)`` and bias ``(K,)``."""
    if last.op_type == "Gemm":
        said = _numbers(last)
        weight = graph.constant(last.input[1])
        if weight is None or weight.ndim != 2 or said.get("transA", 0) or (said.get("alpha", 1), said.get("beta", 1)) != (1, 1):
            return None
        rows = weight if said.get("transB", 0) else weight.T
        bias = graph.constant(last.input[2]) if len(last.input) > 2 else np.zeros(len(rows))
        return None if bias is None or bias.size != len(rows) else (last.input[0], rows, bias.reshape(-1))
    bias = None
    if last.op_type == "Add":
        constants = [graph.constant(name) for name in last.input]
        if (constants[0] is None) == (constants[1] is None):
            return None
        bias = constants[0] if constants[1] is None else constants[1]
        product = graph.maker(last.input[1 if constants[1] is None else 0], UNCHANGED)
    else:
        product = last
    if product is None or product.op_type != "MatMul":
        return None
    weight = graph.constant(product.input[1])
    if weight is None or weight.ndim != 2 or (bias is not None and bias.size != weight.shape[1]):
        return None
    return product.input[0], weight.T, np.zeros(weight.shape[1]) if bias is None else bias.reshape(-1)


def _is_mean(graph: _Graph, node: NodeProto) -> bool:
    if node.op_type != "ReduceMean":
        return node.op_type == "GlobalAveragePool"
    axes: Any = _numbers(node).get("axes")
    if axes is None and len(node.input) > 1:
        axes = graph.constant(node.input[1])
    return axes is not None and {int(axis) % 4 for axis in np.ravel(axes)} == {2, 3}


def first_cell(graph: GraphProto, features: str) -> tuple[float, float] | None:
    """Where the cells of a feature map lie on the input, from the windows of the layers below it.

    Returns:
        The input pixel at which cell 0 is centred and the step to the next; None where an operator rearranges the cells.
    """
    known = _Graph(graph)
    held = {tensor.name for tensor in graph.initializer}
    places: dict[str, tuple[float, float] | None] = {value.name: (0.0, 1.0) for value in graph.input if value.name not in held}
    for node in graph.node:
        if node.op_type in UNPLACED:
            continue
        given = [places[name] for name in node.input if name in places]
        if not given:
            continue
        placed = [at for at in given if at is not None]
        place = max(placed, key=lambda at: at[1]) if len(placed) == len(given) and node.op_type not in MOVING else None
        if place is not None and node.op_type in WINDOWED:
            place = _behind_windows(known, node, place)
        places |= dict.fromkeys(node.output, place)
    return places.get(features)


def _behind_windows(graph: _Graph, node: NodeProto, place: tuple[float, float]) -> tuple[float, float] | None:
    """A place after a convolution or pooling, by its first spatial axis."""
    said = _numbers(node)
    if any(attribute.name == "auto_pad" and attribute.s not in (b"NOTSET", b"VALID") for attribute in node.attribute):
        return None
    weight = graph.constant(node.input[1]) if node.op_type == "Conv" else None
    sides = said.get("kernel_shape") or (None if weight is None else weight.shape[2:])
    if not sides:
        return None
    width = (sides[0] - 1) * (said.get("dilations") or [1])[0] + 1
    first, step = place
    return first + step * ((width - 1) / 2 - (said.get("pads") or [0])[0]), step * (said.get("strides") or [1])[0]


def _numbers(node: NodeProto) -> dict[str, Any]:
    """A node's attributes that are numbers or lists of them."""
    from onnx import AttributeProto

    kinds = {AttributeProto.INT: "i", AttributeProto.FLOAT: "f", AttributeProto.INTS: "ints", AttributeProto.FLOATS: "floats"}
    return {attribute.name: getattr(attribute, kinds[attribute.type]) for attribute in node.attribute if attribute.type in kinds}
