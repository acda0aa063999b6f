"""A checkpoint in ONNX Runtime: this package's graph of its network, and the weights of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.checkpoints import CheckpointError, StoredCheckpoint
from model.maps.picture import place_cells
from model.networks import Grid
from model.onnx.graphs import INPUT_NAME, OUTPUT_NAMES, SIDE, Graph
from model.onnx_session import open_with_weights
from model.predictor import Answer, Faces

if TYPE_CHECKING:
    from torch import nn


class OnnxPredictor:
    """A :class:`model.predictor.Predictor` that gives what the checkpoint's PyTorch classifier gives, to rounding.

    Args:
        stored: the checkpoint's file.
        graph: of its network.
        threads: of one forward pass.

    Raises:
        CheckpointError: the tensors are not those of the network.
    """

    def __init__(self, stored: StoredCheckpoint, graph: Graph, threads: int = 1) -> None:
        _check_shapes(stored, graph)
        self.bias = stored.tensors["head.bias"]
        self._input_size = stored.metadata.input_size
        sizes = {SIDE: self._input_size} if stored.metadata.head == "pooled" else {}
        self._weights = stored.tensors  # the session reads them where they are
        self._session = open_with_weights(graph.data, self._weights, sizes, threads)

    def head(self) -> nn.Module:
        import torch  # here, since the service does without

        from model.classifier import LogitsAlone, linear_head

        return LogitsAlone(linear_head(torch.from_numpy(self._weights["head.weight"]), torch.from_numpy(self.bias)))

    def __call__(self, faces: Faces) -> Answer:
        return Answer(*self._session.run(OUTPUT_NAMES, {INPUT_NAME: network_input(faces, self._input_size)}))


def network_input(faces: Faces, size: int) -> NDArray[np.float32]:
    """:func:`model.preprocessing.network_input` in arrays: a face's pixels are placed as the cells of a map of it would be."""
    channels = faces[:, None] if faces.ndim == 3 else faces
    placed = place_cells(channels, Grid(first=0, step=1, input=faces.shape[-1]), size).astype(np.float32)
    return np.ascontiguousarray(np.broadcast_to(placed, (len(faces), 3, size, size)))


def _check_shapes(stored: StoredCheckpoint, graph: Graph) -> None:
    found = {name: tensor.shape for name, tensor in stored.tensors.items()}
    odd = sorted(name for name in found.keys() | graph.shapes.keys() if found.get(name) != graph.shapes.get(name))
    if odd:
        name = odd[0]
        said, needed = found.get(name, "missing"), graph.shapes.get(name, "no such tensor")
        raise CheckpointError(f"{stored.path}: weights do not fit {stored.metadata.network}: {name} is {said}, expected {needed}")
