"""What :mod:`model.importing.opening_child` does with a pickle."""

from __future__ import annotations

import argparse
import io
import pickle
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy._core.multiarray import scalar
from safetensors.torch import save
from torch import Tensor

from model.errors import one_line

MOST_TENSORS = 10_000
DEEPEST = 8
SEPARATOR = "/"  # between the names of nested dicts; tensors' own names have dots
_NUMBERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")
# Beyond PyTorch's own list: what training scripts keep beside the weights. None of them runs code when it is made or filled.
HARMLESS: list[Any] = [
    argparse.Namespace,
    scalar,
    (scalar, "numpy.core.multiarray.scalar"),  # as NumPy 1 calls it
    np.dtype,
    *(type(np.dtype(name)) for name in _NUMBERS),
]


def tensors_of(file: BinaryIO) -> tuple[dict[str, str], bytes]:
    """``({}, safetensors)`` of all tensors by their path of keys, or ``({"code", "detail"}, b"")``."""
    try:
        with torch.serialization.safe_globals(HARMLESS):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        return {"code": "not_allowed", "detail": one_line(error)[:2000]}, b""
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes PyTorch raise is the answer
        return {"code": "damaged", "detail": " ".join(f"{type(error).__name__}: {error}".split())[:500]}, b""
    found: dict[str, Tensor] = {}
    for name, tensor in _walk(content, ()):
        if len(found) == MOST_TENSORS:
            return {"code": "damaged", "detail": f"more than {MOST_TENSORS} tensors"}, b""
        found[name] = tensor.detach().clone(memory_format=torch.contiguous_format)
    if not found:
        return {"code": "no_tensors", "detail": type(content).__name__}, b""
    return {}, save(found)


def warm_up() -> None:
    """Open and save a small pickle, so that everything that is imported on first use has been."""
    file = io.BytesIO()
    torch.save({"state_dict": {"a": torch.zeros(1)}, "best": np.float64(1)}, file)
    file.seek(0)
    tensors_of(file)
    tensors_of(io.BytesIO(b"not a pickle"))


def _walk(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        if value.layout == torch.strided and not value.is_quantized:
            yield SEPARATOR.join(path) or "tensor", value
    elif isinstance(value, dict) and len(path) < DEEPEST:
        for key, item in value.items():
            yield from _walk(item, (*path, str(key)))
