"""What :mod:`model.importing.opening_child` does with a pickle."""

from __future__ import annotations

import argparse
import io
import pickle
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from model.errors import one_line

MOST_TENSORS = 10_000
DEEPEST = 8
SEPARATOR = "/"  # between the names of nested dicts; tensors' own names have dots
MOST_CLASSES = 20  # of its own, that a training script keeps objects of
ENVELOPES = ("state_dict_model", "model_state_dict", "state_dict", "model")  # keys under which weights stand, in the order of their rank


class ForeignObject:
    """Stands for an object whose class is not read: it is made of nothing and keeps nothing."""

    def __init__(self, *parts: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class ForeignArray(ForeignObject):
    """Stands for a NumPy array."""


class ForeignNumber(ForeignObject):
    """Stands for a NumPy number, or the type of one."""


STANDING_IN = (ForeignObject, ForeignArray, ForeignNumber)
_NUMPY = ("numpy.core", "numpy._core")  # as NumPy 1 and 2 name it
# Beyond PyTorch's own list: what training scripts keep beside the weights.
HARMLESS: list[Any] = [
    argparse.Namespace,
    *((ForeignArray, f"{core}.multiarray._reconstruct") for core in _NUMPY),
    (ForeignArray, "numpy.ndarray"),
    *((ForeignNumber, f"{core}.multiarray.scalar") for core in _NUMPY),
    (ForeignNumber, "numpy.dtype"),
]


def tensors_of(file: BinaryIO) -> tuple[dict[str, str], bytes]:
    """``({}, safetensors)`` of all tensors by their path of keys, or ``({"code", "detail"}, b"")``."""
    try:
        content = _loaded(file)
    except pickle.UnpicklingError as error:
        filled = any(kind.__name__ in str(error) for kind in STANDING_IN)
        return {"code": "own_container" if filled else "not_allowed", "detail": one_line(error)[:2000]}, b""
    except RuntimeError as error:
        code = "torchscript" if "TorchScript archive" in str(error) else "damaged"
        return {"code": code, "detail": _detail(error)}, b""
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes PyTorch raise is the answer
        return {"code": "damaged", "detail": _detail(error)}, b""
    found: dict[str, Tensor] = {}
    for name, value in _walk(content, ()):
        if len(found) == MOST_TENSORS:
            return {"code": "damaged", "detail": f"more than {MOST_TENSORS} tensors"}, b""
        if isinstance(value, ForeignObject):
            return {"code": "not_tensors", "detail": name}, b""
        found[name] = value.detach().clone(memory_format=torch.contiguous_format)
    if not found:
        kind = "n object of a class of its own" if isinstance(content, ForeignObject) else f" {type(content).__name__}"
        return {"code": "no_tensors", "detail": f"a{kind}"}, b""
    return {}, save(found)


def _detail(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _loaded(file: BinaryIO) -> object:
    """What the pickle holds, without the objects of classes that the script which wrote it defined itself, such as a record of accuracies.

    Raises:
        UnpicklingError: it asks for anything else that is no weight.
    """
    foreign: list[Any] = []
    while True:
        file.seek(0)
        try:
            with torch.serialization.safe_globals([*HARMLESS, *foreign]):
                return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            named = re.search(r"GLOBAL (__main__\.[A-Za-z_]\w*) was not", str(error))
            if named is None:
                raise
            if len(foreign) == MOST_CLASSES:
                raise pickle.UnpicklingError(f"WeightsUnpickler error: more than {MOST_CLASSES} classes of its own") from error
            foreign.append((ForeignObject, named.group(1)))


def warm_up() -> None:
    """Open and save a small pickle, so that everything that is imported on first use has been."""
    file = io.BytesIO()
    torch.save({"state_dict": {"a": torch.zeros(1)}, "best": np.float64(1)}, file)
    file.seek(0)
    tensors_of(file)
    tensors_of(io.BytesIO(b"not a pickle"))


def _walk(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, Tensor | ForeignObject]]:
    """The tensors, and what stands where weights do and is none."""
    if isinstance(value, Tensor):
        if value.layout == torch.strided and not value.is_quantized:
            yield SEPARATOR.join(path) or "tensor", value
    elif isinstance(value, ForeignObject):
        if path and not isinstance(value, ForeignNumber) and ("." in path[-1] or path[-1] in ENVELOPES):
            yield SEPARATOR.join(path), value
    elif isinstance(value, dict) and len(path) < DEEPEST:
        for key, item in value.items():
            yield from _walk(item, (*path, str(key)))
