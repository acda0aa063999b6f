"""Any network in ONNX that ends in global average pooling and one linear layer, run by ONNX Runtime."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from model.classifier import PooledHead, PositionalHead, linear_head
from model.errors import InputError, one_line
from model.importing.layouts.base import PublishedNetwork
from model.networks import Grid
from model.onnx_session import UNUSABLE_GRAPH, InferenceSession, open_session


class OnnxNetwork(PublishedNetwork):
    """The graph that :func:`model.importing.onnx_file.onnx_tensors` makes: its outputs are the logits and the last feature map."""

    foldable: ClassVar[bool] = False
    graph: Tensor
    weight: Tensor
    bias: Tensor
    cells: Tensor

    def __init__(self, architecture: str, classes: int) -> None:
        super().__init__(architecture, classes)
        self.register_buffer("graph", torch.zeros(0, dtype=torch.uint8))
        self.register_buffer("weight", torch.zeros(classes, 0))
        self.register_buffer("bias", torch.zeros(classes))
        self.register_buffer("cells", torch.zeros(2))
        self._session: InferenceSession | None = None

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """How many bytes and channels there are, the file says."""
        for name in ("graph", "weight"):
            given, own = state_dict.get(prefix + name), getattr(self, name)
            if given is not None and given.shape[:-1] == own.shape[:-1]:
                setattr(self, name, own.new_empty(given.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def features(self, images: Tensor) -> Tensor:
        return self._answers(images, 1)

    def logits(self, images: Tensor) -> Tensor:
        return self._answers(images, 0)

    def answer(self, features: Tensor) -> Tensor:
        return features.mean((2, 3)) @ self.weight.T + self.bias

    def grid(self, input_size: int) -> Grid:
        """As the graph's windows tell; where they do not, the cells are taken to tile the picture.

        Raises:
            InputError: they tile it in no whole pixels.
        """
        first, step = (int(value) for value in self.cells)
        if first >= 0 and 1 <= step <= input_size:
            return Grid(first, step, input_size)
        cells = self.features(torch.zeros(1, 3, input_size, input_size)).shape[-1]
        if input_size % cells:
            raise InputError(f"where the {cells} x {cells} cells of its map lie on {input_size} pixels is not known: give another --size")
        step = input_size // cells
        return Grid((step - 1) // 2, step, input_size)

    def head(self, order: Tensor, input_size: int) -> PooledHead | PositionalHead:
        return linear_head(self.weight[order], self.bias[order])

    def _answers(self, images: Tensor, output: int) -> Tensor:
        """One of the graph's outputs for ``(N, 3, S, S)``."""
        session = self._opened()
        (given,), names = session.get_inputs(), [value.name for value in session.get_outputs()]
        side = given.shape[-1]
        if isinstance(side, int) and side != images.shape[-1]:
            raise InputError(f"the graph takes pictures of {side} pixels a side, not {images.shape[-1]}: give --size {side}")
        parts = images.detach().unsqueeze(1) if given.shape[0] == 1 else (images.detach(),)
        try:
            answered = [session.run([names[output]], {given.name: part.numpy()})[0] for part in parts]
        except UNUSABLE_GRAPH as error:
            raise InputError(_reason("does not run", error)) from error
        return torch.cat([torch.from_numpy(array) for array in answered])

    def _opened(self) -> InferenceSession:
        if self._session is None:
            try:
                self._session = open_session(self.graph.numpy().tobytes(), torch.get_num_threads())
            except UNUSABLE_GRAPH as error:
                raise InputError(_reason("is refused by ONNX Runtime", error)) from error
            self.graph = self.graph[:0].clone()  # the session has its own
        return self._session


def _reason(what: str, error: Exception) -> str:
    return f"the graph {what} ({one_line(error)[:300]}): export it again"
