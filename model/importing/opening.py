"""A published checkpoint's tensors, read from safetensors here or from a pickle in a process that can do no harm."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
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
_PICKLES = (b"PK", b"\x80")  # how what torch.save writes begins, since PyTorch 1.6 and before
_PAGE = "a web page, as a download that asks for a confirmation first: load it in a browser"
_OTHERS = {
    b"<!doctype": _PAGE,
    b"<html": _PAGE,
    b"version https://git-lfs": "a pointer of Git LFS, which `git lfs pull` replaces by the file",
    b"\x89HDF": "HDF5, as Keras writes, of which there is no recipe",
    b"\x1f\x8b": "compressed: decompress it",
}
_KILLED = -9
_AVERAGED = re.compile(r"(^|[_./])ema", re.IGNORECASE)  # keys of exponential moving averages
_WRAPPERS = re.compile(r"^((module|_orig_mod)\.)+")
HOW_TO_SAVE = "where you trust the file, load it and save its weights alone: torch.save(model.state_dict(), FILE)"


def published_tensors(path: Path, group: str | None = None) -> tuple[bytes, dict[str, Tensor]]:
    """The file's bytes, and the weights in it by the names that its network has for them, without what wrappers put in front.

    ``group``: the key they stand under, where the file holds several. Of an ONNX file they are those of
    :func:`model.importing.onnx_file.onnx_tensors`.

    Raises:
        InputError: it cannot be read, is damaged, or holds something that only code of its makers could open.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path}: has more than {LARGEST_FILE >> 30} GiB, which no checkpoint of one network has")
        data = read_regular_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    _refuse_other_formats(path, data)
    if path.suffix == ONNX_SUFFIX:
        from model.importing.onnx_file import onnx_tensors

        return data, onnx_tensors(path, data)
    loaded = _loaded(path, data if path.suffix == ".safetensors" else _opened(path, data))
    try:
        return data, unwrapped(loaded, group)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _refuse_other_formats(path: Path, data: bytes) -> None:
    """Told by how they begin, before anything tries to read them."""
    for beginning, what in _OTHERS.items():
        if data[: len(beginning)].lower() == beginning.lower():
            raise InputError(f"{path}: holds no weights but is {what}")
    if path.suffix not in (ONNX_SUFFIX, ".safetensors") and not data.startswith(_PICKLES):
        raise InputError(f"{path}: is no file of torch.save: one of safetensors or ONNX needs that ending; {HOW_TO_SAVE}")


def _loaded(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return load(data)
    except SafetensorError as error:
        raise InputError(f"{path}: damaged, or no safetensors file ({error}): copy or load it again") from error


def _opened(path: Path, data: bytes) -> bytes:
    """The pickle's tensors as safetensors, from a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UNTURNED_")}
    places = (str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH"))  # PyTorch may be found by the latter
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, places)), "OMP_NUM_THREADS": "1"}
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
        raise InputError(f"{path}: the process that opens it ended ({_end(done)}): {HOW_TO_SAVE}")
    (length,) = HEAD.unpack(head)
    answer = json.loads(done.stdout[HEAD.size : HEAD.size + length])
    if answer:
        raise InputError(f"{path}: {_refusal(answer['code'], answer['detail'])}")
    return done.stdout[HEAD.size + length :]


def _end(done: subprocess.CompletedProcess[bytes]) -> str:
    """How a process ended, and the last line it said of that."""
    if done.returncode == _KILLED:
        return "killed, perhaps for want of memory"
    said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return f"{done.returncode}; {said[:200] or 'damaged or hostile'}"


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
    if code == "torchscript":
        return "is a TorchScript archive, which is a program; its weights alone: torch.save(torch.jit.load(FILE).state_dict(), OUT)"
    return f"is damaged or cut short, or no file of torch.save ({detail}): copy or load it again"


def unwrapped(tensors: Mapping[str, Tensor], group: str | None = None) -> dict[str, Tensor]:
    """The weights out of what training scripts wrap them in, by the names of the network.

    Under a key that is not known they are the one group with names of layers, which have dots; an optimizer's state has none. RUL keeps its
    last layer in a second dict, ``fc_state_dict``, whose names have no prefix; here they begin with ``fc.``. ``group`` names the key.

    Raises:
        InputError: there are several such groups, or none, or other weights for the same layers; the message names what there is.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        outer, _, inner = name.rpartition(SEPARATOR)
        groups.setdefault(outer, {})[inner] = tensor
    layers = [name for name, inner in groups.items() if any("." in layer for layer in inner)]
    if group is not None:
        if group not in groups:
            raise InputError(f"--weights: there are none under {group!r}, but under {_listed(groups, layers)}")
        return _bare(groups[group])
    chosen = next((key for key in ENVELOPES if key in groups), None)
    if chosen is None:
        chosen = _only_key(groups, layers)
    rivals = [key for key in layers if key != chosen and (_AVERAGED.search(key) or _shapes(groups[key]) == _shapes(groups[chosen]))]
    if rivals:
        raise InputError(f"holds weights under {_listed(groups, [chosen, *rivals])}: say with --weights which; ema and swa are averages")
    last = {f"fc.{name}": tensor for name, tensor in _bare(groups.get("fc_state_dict", {})).items()}
    return {**_bare(groups[chosen]), **last}


def _bare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what wrappers add: a count of averaged steps, ``module.`` and ``_orig_mod.``, and any other name that all others follow."""
    found = {name: tensor for name, tensor in tensors.items() if name != "n_averaged"}
    while len(found) > 1 and len(first := {name.partition(".")[0] for name in found}) == 1 and all("." in name for name in found):
        found = {name.removeprefix(f"{next(iter(first))}."): tensor for name, tensor in found.items()}
    return {_WRAPPERS.sub("", name): tensor for name, tensor in found.items()}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in _bare(tensors).items()}


def _only_key(groups: Mapping[str, dict[str, Tensor]], layers: Sequence[str]) -> str:
    """The key of the one group with names of layers."""
    if "" in layers:
        return ""
    if not groups:
        raise InputError(f"holds no tensor: {HOW_TO_SAVE}")
    if len(layers) != 1:
        advice = "say with --weights which" if layers else HOW_TO_SAVE
        raise InputError(f"holds weights under {_listed(groups, layers)}, of which none is known: {advice}")
    return layers[0]


def _listed(groups: Mapping[str, dict[str, Tensor]], layers: Sequence[str]) -> str:
    return ", ".join(f"{name or 'no key'} ({len(groups[name])} tensors)" for name in sorted(layers or groups)[:SHOWN_GROUPS])
