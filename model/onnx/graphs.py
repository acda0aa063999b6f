"""The graphs of this package: the networks and heads that run in ONNX Runtime, without weights, and the weights' shapes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.checkpoints import CheckpointMetadata

GRAPHS = Path(__file__).parent / "graph_files"
INPUT_NAME = "images"
OUTPUT_NAMES = ("logits", "maps", "features")
SIDE = "side"  # the input's free dimension
POSITIONAL_INPUT = {"dlib_resnet": 99, "resnet18": 193}  # pixels; a positional head has weights for the cells of one size alone


@dataclass(frozen=True)
class Graph:
    """One network's graph: ``data`` as ONNX, ``shapes`` of its weights by name."""

    data: bytes
    shapes: dict[str, tuple[int, ...]]


def graph_name(network: str, tails: int, head: str) -> str:
    """File name of a graph."""
    return f"{network}-{tails}-{head}.onnx"


def find_graph(metadata: CheckpointMetadata) -> Graph | None:
    """The graph of the network that a checkpoint is of; None where this package has none."""
    path = GRAPHS / graph_name(metadata.network, metadata.tails, metadata.head)
    if not path.is_file() or (metadata.head == "positional" and metadata.input_size != POSITIONAL_INPUT[metadata.network]):
        return None
    shapes: dict[str, list[int]] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Graph(path.read_bytes(), {name: tuple(shape) for name, shape in shapes.items()})
