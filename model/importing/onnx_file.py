"""A classifier in ONNX as an import holds it: its graph, with the last feature map among the outputs, and the linear layer at its end.

An ONNX file is no program, but it may name other files, and ONNX Runtime reads those. So what an import takes is one graph of standard
operators without branches and loops, all its weights inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from model.errors import InputError, one_line
from model.importing.onnx_ending import first_cell, found_ending

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

DAMAGED = "is damaged or cut short, or no ONNX file: copy or export it again"
LARGEST_GRAPH = (2 << 30) - 1  # what a message of Protocol Buffers may have
CHANNELS = 3


def onnx_tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    """What :class:`model.importing.layouts.onnx_graph.OnnxNetwork` is filled with.

    Returns:
        ``graph``, the bytes as uint8; ``weight`` ``(K, C)`` and ``bias`` ``(K,)`` of the classifier; ``cells`` ``(2,)``: the input pixel at
        which cell 0 is centred and the step between two cells, zeros where the graph does not tell.

    Raises:
        InputError: damaged, not whole in itself, or not a classifier of which exact maps can be made; the message says what to do.
    """
    try:
        return _read(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ValueError, KeyError, IndexError, TypeError) as error:  # what the parser lets through, and a node or a tensor cannot be
        raise InputError(f"{path}: {DAMAGED} ({one_line(error)[:200]})") from error


def _read(data: bytes) -> dict[str, Tensor]:
    model = _parsed(data)
    _check_whole(model)
    _check_input(model.graph)
    _check_output(model.graph)
    ending = found_ending(model.graph)
    place = first_cell(model.graph, ending.features)
    if all(output.name != ending.features for output in model.graph.output):
        model.graph.output.add(name=ending.features)
    return {
        "graph": torch.from_numpy(np.frombuffer(model.SerializeToString(), np.uint8).copy()),
        "weight": torch.from_numpy(ending.weight),
        "bias": torch.from_numpy(ending.bias),
        "cells": torch.tensor(place or (0.0, 0.0)),
    }


def _parsed(data: bytes) -> ModelProto:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError as error:
        raise InputError("the recipe onnx needs the package of that name: pip install onnx") from error
    if len(data) > LARGEST_GRAPH:
        raise InputError("has more than 2 GiB, which no ONNX file of one network has")
    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise InputError(DAMAGED) from error


def _check_whole(model: ModelProto) -> None:
    from onnx import AttributeProto
    from onnx.external_data_helper import uses_external_data

    graph = model.graph
    foreign = next((node for node in graph.node if node.domain not in ("", "ai.onnx")), None)
    if model.functions or foreign is not None:
        named = foreign.op_type if foreign is not None else model.functions[0].name
        raise InputError(f"uses {named}, which is none of ONNX's own operators: export it again without custom ones")
    if any(attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for _, attribute in _attributes(graph)):
        raise InputError("has a branch or a loop: export the network for evaluation, as one straight graph")
    if any(uses_external_data(tensor) for tensor in _tensors(graph)):
        raise InputError(
            "keeps weights in other files, which are not opened: export it whole, torch.onnx.export(..., external_data=False), or "
            "onnx.save(onnx.load(FILE), OUT)"
        )


def _attributes(graph: GraphProto) -> Iterator[tuple[NodeProto, AttributeProto]]:
    for node in graph.node:
        yield from ((node, attribute) for attribute in node.attribute)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    sparse = list(graph.sparse_initializer)
    for _, attribute in _attributes(graph):
        yield from (attribute.t, *attribute.tensors)
        sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
    for tensor in sparse:
        yield from (tensor.values, tensor.indices)


def _check_input(graph: GraphProto) -> None:
    from onnx import TensorProto

    held = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in held]
    if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise InputError("must take one float32 input: the pictures (N, 3, S, S)")
    sizes = _sizes(inputs[0])
    if len(sizes) != 4 or sizes[1] not in (0, CHANNELS) or sizes[0] not in (0, 1) or sizes[2] != sizes[3]:
        said = " x ".join(str(size or "any") for size in sizes)
        raise InputError(f"takes {said}, where (N, 3, S, S) is needed: export it for one picture or any number, of three channels")


def _check_output(graph: GraphProto) -> None:
    if len(graph.output) != 1:
        raise InputError(f"has {len(graph.output)} outputs: export the network with its logits (N, K) as the only one")


def _sizes(value: ValueInfoProto) -> list[int]:
    """Of each dimension; 0 for a free one."""
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
