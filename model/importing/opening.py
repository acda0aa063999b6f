"""A published checkpoint's tensors, read from safetensors here or from a pickle in a process that can do no harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from model.errors import InputError
from model.files.regular_file import read_regular_file
from model.importing.opening_child import HEAD
from model.importing.unpickling import ENVELOPES, SEPARATOR

LARGEST_FILE = 4 << 30
OPEN_SECONDS = 600.0
SHOWN_GROUPS = 6
ONNX_SUFFIX = ".onnx"
HOW_TO_SAVE = "where you trust the file, load it and save its weights alone: torch.save(model.state_dict(), FILE)"


def published_tensors(path: Path) -> tuple[bytes, dict[str, Tensor]]:
    """The file's bytes, and the weights in it by the names that its network has for them, without ``module.`` in front.

    Of an ONNX file they are those of :func:`model.importing.onnx_file.onnx_tensors`.

    Raises:
        InputError: it cannot be read, is damaged, or holds something that only code of its makers could open.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path}: has more than {LARGEST_FILE >> 30} GiB, which no checkpoint of one network has")
        data = read_regular_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if path.suffix == ONNX_SUFFIX:
        from model.importing.onnx_file import onnx_tensors

        return data, onnx_tensors(path, data)
    loaded = _loaded(path, data if path.suffix == ".safetensors" else _opened(path, data))
    try:
        return data, unwrapped(loaded)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _loaded(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return load(data)
    except SafetensorError as error:
        raise InputError(f"{path}: damaged, or no safetensors file ({error}): copy or load it again") from error


def _opened(path: Path, data: bytes) -> bytes:
    """The pickle's tensors as safetensors, from a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UNTURNED_")}
    environment |= {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-B", "-W", "ignore", "-m", "model.importing.opening_child"],
            input=data,
            capture_output=True,
            env=environment,
            timeout=OPEN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{path}: was not opened within {OPEN_SECONDS:g} seconds: {HOW_TO_SAVE}") from error
    head = done.stdout[: HEAD.size]
    if done.returncode != 0 or len(head) < HEAD.size:
        raise InputError(f"{path}: the process that opens it ended ({done.returncode}), so it is damaged or hostile: {HOW_TO_SAVE}")
    (length,) = HEAD.unpack(head)
    answer = json.loads(done.stdout[HEAD.size : HEAD.size + length])
    if answer:
        raise InputError(f"{path}: {_refusal(answer['code'], answer['detail'])}")
    return done.stdout[HEAD.size + length :]


def _refusal(code: str, detail: str) -> str:
    if code == "not_allowed":
        named = detail.partition("GLOBAL ")[2].split(" ")[0] or detail.rpartition("WeightsUnpickler error: ")[2][:200]
        return f"refused, nothing of it was run: it asks for code ({named}), which weights do not need; {HOW_TO_SAVE}"
    if code == "own_container":
        return f"holds a dict or list of a class of its own, which cannot be passed over; {HOW_TO_SAVE}"
    if code == "not_tensors":
        return f"keeps {detail} as an array or an object of its own, not as tensors; {HOW_TO_SAVE}"
    if code == "no_tensors":
        return f"holds no tensor by name but {detail}; {HOW_TO_SAVE}"
    return f"is damaged or cut short, or no file of torch.save ({detail}): copy or load it again"


def unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights out of what training scripts wrap them in, by the names of the network.

    Under a key that is not known they are the one group with names of layers, which have dots; an optimizer's state has none. RUL keeps its
    last layer in a second dict, ``fc_state_dict``, whose names have no prefix; here they begin with ``fc.``.

    Raises:
        InputError: there are several such groups, or none; the message names what there is.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        outer, _, inner = name.rpartition(SEPARATOR)
        groups.setdefault(outer, {})[inner] = tensor
    chosen = next((groups[key] for key in ENVELOPES if key in groups), None) or _layers(groups)
    found = {name.removeprefix("module."): tensor for name, tensor in chosen.items()}
    last = {f"fc.{name.removeprefix('module.')}": tensor for name, tensor in groups.get("fc_state_dict", {}).items()}
    return {**found, **last}


def _layers(groups: Mapping[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    layers = [name for name, group in groups.items() if any("." in inner for inner in group)]
    if "" in layers:
        return groups[""]
    if not groups:
        raise InputError(f"holds no tensor: {HOW_TO_SAVE}")
    if len(layers) != 1:
        there = ", ".join(f"{name} ({len(groups[name])} tensors)" for name in sorted(layers or groups)[:SHOWN_GROUPS])
        raise InputError(f"holds weights under {there}, of which none is known: {HOW_TO_SAVE}")
    return groups[layers[0]]
