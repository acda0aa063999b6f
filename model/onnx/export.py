"""Classifiers as ONNX graphs whose outputs are logits, maps and features: a checkpoint in one file, and the graphs of this package.

A graph of this package (``graph_files/``) is one network without its weights, which a checkpoint brings: so the service needs neither
PyTorch nor the weights twice. ``python -m model.onnx.export`` writes them anew, after a change of a network or a head.
"""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import torch
from onnxscript import ir, optimizer
from torch import Tensor

from model.classifier import ExpressionClassifier, PooledHead, PositionalHead
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.files.atomic_write import replace_file
from model.importing.imported import ServedModel
from model.importing.integrated import IntegratedHead
from model.networks import LARGEST_INPUT, NETWORKS, network_grid, smallest_input
from model.networks.build import build_network
from model.onnx.graphs import GRAPHS, INPUT_NAME, OUTPUT_NAMES, POSITIONAL_INPUT, SIDE, graph_name

METADATA_KEY = "unturned"
SHA256_KEY = "sha256"
OPSET = 18


class _WithFeatures(ExpressionClassifier):
    """The classifier, with the features that its head reads as a third output."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        features = self.network(images)
        logits, maps = self.head(features)
        return logits, maps, features


def export_onnx(checkpoint: ServedModel, path: Path) -> None:
    """Write a checkpoint as one self-contained ONNX file (float32, batch of any size).

    Input ``images``: ``(N, 3, S, S)`` float32 RGB in 0..255, as :func:`model.preprocessing.network_input` makes it. Outputs ``logits``
    ``(N, 7)`` and ``maps`` ``(N, 7, h, w)`` in the trained gauge, where the logits are the maps' spatial means plus the bias; subtract the
    mean over the classes from both for the form the service answers with; and the last ``features`` ``(N, C, h, w)``. The checkpoint's
    metadata is kept as JSON under ``unturned``, its hash under ``sha256``.

    Raises:
        InputError: the maps are approximate ones, which need gradients.
        FileError: the file cannot be written; nothing is left behind.
    """
    network, head = checkpoint.classifier.network, checkpoint.classifier.head
    if isinstance(head, IntegratedHead):
        raise InputError(f"{checkpoint.name}: its maps are approximate and need gradients, which no ONNX graph has; only exact ones export")
    if checkpoint.metadata.format == "unturned-import-1" and checkpoint.metadata.recipe == "onnx":
        raise InputError(f"{checkpoint.name}: came from an ONNX file, and is not written as one again")
    proto = _graph(ExpressionClassifier(network, head).eval(), checkpoint.metadata.input_size, any_size=False)
    notes = {METADATA_KEY: checkpoint.metadata.model_dump_json(), SHA256_KEY: checkpoint.sha256}
    onnx.helper.set_model_props(proto, notes)
    replace_file(path, proto.SerializeToString())


def write_graphs() -> None:
    """Write the graph of every network and head that a checkpoint may have, and the shapes of the weights that each asks for."""
    for network in NETWORKS:
        for tails in (1, 2):
            _write_graph(network, tails, "pooled")
        _write_graph(network, 1, "positional")


def _write_graph(network_name: str, tails: int, head_name: str) -> None:
    network = build_network(network_name, tails)
    size = POSITIONAL_INPUT[network_name]
    head: PooledHead | PositionalHead = PooledHead(network.channels, len(EXPRESSIONS))
    if head_name == "positional":
        side = network_grid(network_name, size).cells
        head = PositionalHead(torch.zeros(len(EXPRESSIONS), network.channels, side, side), head.bias.data)
    classifier = ExpressionClassifier(network, head).eval().requires_grad_(False)
    weights = {name: value for name, value in classifier.state_dict().items() if not name.endswith("num_batches_tracked")}
    proto = _graph(classifier, size, any_size=head_name == "pooled", smallest=smallest_input(network_name))
    for initializer in proto.graph.initializer:
        if initializer.name in weights:
            onnx.external_data_helper.set_external_data(initializer, location="checkpoint")
            initializer.ClearField("raw_data")
    path = GRAPHS / graph_name(network_name, tails, head_name)
    shapes = {name: list(value.shape) for name, value in sorted(weights.items())}
    replace_file(path, proto.SerializeToString())
    replace_file(path.with_suffix(".json"), f"{json.dumps(shapes, indent=0)}\n".encode())


def _graph(classifier: ExpressionClassifier, size: int, any_size: bool, smallest: int = 0) -> onnx.ModelProto:
    """The graph of a classifier for inputs of ``size`` pixels a side, or of any size; batches of any size."""
    dimensions: dict[int, object] = {0: torch.export.Dim("batch", min=1)}
    if any_size:
        side = torch.export.Dim(SIDE, min=smallest, max=LARGEST_INPUT)
        dimensions |= {2: side, 3: side}
    program = torch.onnx.export(
        _WithFeatures(classifier.network, classifier.head).eval(),
        (torch.zeros(2, 3, size, size),),
        dynamo=True,
        verbose=False,
        optimize=False,
        input_names=[INPUT_NAME],
        output_names=list(OUTPUT_NAMES),
        dynamic_shapes=(dimensions,),
        opset_version=OPSET,
    )
    assert program is not None  # it is only without dynamo
    # no more than this: ONNX Runtime folds BatchNorm when it has the weights
    optimizer.fold_constants(program.model)
    optimizer.remove_unused_nodes(program.model)
    return _plain(ir.to_proto(program.model))


def _plain(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Without the exporter's notes, which are ten times the graph."""
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.initializer, *proto.graph.input, *proto.graph.output):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    del proto.graph.value_info[:]
    return proto


if __name__ == "__main__":
    write_graphs()
