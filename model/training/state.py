"""What a training run keeps on disk: its whole state in one safetensors file with its sha256, the state before that, and a log of JSON
lines. Nothing is pickled."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from model.errors import InputError, file_errors, make_folder
from model.files.atomic_write import replace_file
from model.files.first_error import first_error

STATE_FILE = "state.safetensors"
PREVIOUS_FILE = "state.previous.safetensors"
LOG_FILE = "log.jsonl"
FORMAT = "unturned-state-2"

_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')  # as the header has it; inside the other texts quotes are escaped
_NO_DIGEST = "0" * 64
_MAX_HEADER_BYTES = 1 << 20
_MOMENTS = frozenset({"step", "exp_avg", "exp_avg_sq"})


class StateError(InputError):
    """The saved state cannot continue this run; the message names the file, what is wrong with it, and what to do."""


@dataclass
class Progress:
    """Where a run stands: ``epoch`` finished epochs and ``step`` finished steps of the next one; ``seconds`` spent in steps;
    ``revisions`` of the code that did them."""

    epoch: Annotated[int, Field(ge=0)] = 0
    step: Annotated[int, Field(ge=0)] = 0
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    revisions: list[str] = field(default_factory=list)

    def advance(self, seconds: float) -> None:
        self.step += 1
        self.seconds += seconds

    def name_revision(self, revision: str) -> None:
        """Note the code that goes on from here."""
        if revision not in self.revisions:
            self.revisions.append(revision)

    def finish_epoch(self) -> None:
        self.epoch += 1
        self.step = 0


@dataclass(frozen=True)
class RunParts:
    """What a state is taken from and put back into; ``identity`` is what two sittings of a run have in common."""

    method: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    identity: Mapping[str, Any]
    epochs: int
    steps_per_epoch: int


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    identity: dict[str, Any]
    progress: Progress


def save_state(directory: Path, parts: RunParts, progress: Progress) -> None:
    """Write the state; the one before it is kept beside it. A kill at any moment leaves one of the two."""
    tensors = {f"method.{name}": tensor for name, tensor in parts.method.state_dict().items()}
    for number, moments in parts.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in moments.items()}
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    metadata = _Metadata(identity=dict(parts.identity), progress=progress)
    data = bytearray(save(copies, {"format": FORMAT, "run": metadata.model_dump_json(), "sha256": _NO_DIGEST}))
    place = _place_of_digest(data)
    assert place is not None
    data[place : place + len(_NO_DIGEST)] = hashlib.sha256(data).hexdigest().encode()
    make_folder(directory)
    with file_errors():
        if (directory / STATE_FILE).is_file():
            (directory / STATE_FILE).replace(directory / PREVIOUS_FILE)
    replace_file(directory / STATE_FILE, bytes(data))


def load_state(directory: Path, parts: RunParts) -> Progress:
    """Put the newest saved state into freshly built parts; a directory without one starts from the beginning.

    Raises:
        StateError: the state was saved by another run or another version of this program, or is damaged.
    """
    path = _newest(directory)
    if path is None:
        return Progress()
    data = path.read_bytes()
    metadata = _metadata(path, data)
    wanted = json.loads(json.dumps(dict(parts.identity)))
    if metadata.identity != wanted:
        differing = ", ".join(sorted(name for name in wanted | metadata.identity if metadata.identity.get(name) != wanted.get(name)))
        raise StateError(f"{path} is of a run that differs in {differing}: choose another --out, or delete {directory} to start again")
    _check_position(path, metadata.progress, parts)
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error
    _put_weights(path, _with_prefix(tensors, "method."), parts.method)
    _put_moments(path, _with_prefix(tensors, "optimizer."), parts.optimizer)
    _advance_schedule(parts.schedule, metadata.progress.epoch * parts.steps_per_epoch + metadata.progress.step)
    return metadata.progress


def refuse_saved_state(directory: Path) -> None:
    """A run begun anew must not replace what another one has trained.

    Raises:
        StateError: the directory holds a state; the message says what to do.
    """
    path = _newest(directory)
    if path is not None:
        raise StateError(f"{path} is of an earlier run: add --resume to continue it, or delete {directory} to start again")


def _newest(directory: Path) -> Path | None:
    """The newest state there is: the one before the last where a kill, or whoever found it damaged, has left no other."""
    return next((path for name in (STATE_FILE, PREVIOUS_FILE) if (path := directory / name).is_file()), None)


def _damaged(path: Path, reason: str) -> StateError:
    """What to do about a state that cannot be used: go back to the one before it, where there is one."""
    previous = path.with_name(PREVIOUS_FILE)
    again = f"delete {path.parent} to start again"
    if path != previous and previous.is_file():
        again = f"delete this file to continue from the state before it ({PREVIOUS_FILE}), or {again}"
    return StateError(f"{path} is damaged ({reason}): {again}")


def _metadata(path: Path, data: bytes) -> _Metadata:
    """The metadata of a file whose every bit is as it was written."""
    place = _place_of_digest(data)
    if place is not None and _digest(data, place) != data[place : place + len(_NO_DIGEST)].decode():
        raise _damaged(path, "its sha256 is not the one it was written with")
    try:
        texts: dict[str, str] = json.loads(_header(data))["__metadata__"]
    except (ValueError, KeyError) as error:
        raise _damaged(path, "its header cannot be read") from error
    if texts.get("format") != FORMAT:
        again = f"finish the run with that one, or delete {path.parent} to start again"
        raise StateError(f"{path} was written by another version of this program: {again}")
    if place is None:
        raise _damaged(path, "it has no sha256")
    try:
        return _Metadata.model_validate_json(texts.get("run", "{}"))
    except ValidationError as error:
        raise _damaged(path, first_error(error)) from error


def _header(data: bytes | bytearray) -> bytes:
    size = int.from_bytes(data[:8], "little")
    return bytes(data[8 : 8 + size]) if size <= _MAX_HEADER_BYTES else b""


def _place_of_digest(data: bytes | bytearray) -> int | None:
    match = _DIGEST.search(_header(data))
    return None if match is None else 8 + match.start(1)


def _digest(data: bytes, place: int) -> str:
    """sha256 of a file as it was before its digest took the place of zeros."""
    view = memoryview(data)
    digest = hashlib.sha256(view[:place])
    digest.update(_NO_DIGEST.encode())
    digest.update(view[place + len(_NO_DIGEST) :])
    return digest.hexdigest()


def _check_position(path: Path, progress: Progress, parts: RunParts) -> None:
    """A state is saved after a step, or at the end of an epoch."""
    done = (progress.epoch, progress.step)
    if not (0, 0) < done <= (parts.epochs, 0) or progress.step > parts.steps_per_epoch:
        run = f"the run has {parts.epochs} epochs of {parts.steps_per_epoch} steps"
        raise _damaged(path, f"field progress: epoch {progress.epoch}, step {progress.step}, but {run}")


def _put_weights(path: Path, tensors: dict[str, Tensor], method: nn.Module) -> None:
    expected = method.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors:
            raise _damaged(path, f"tensor method.{name} is missing")
        if name not in expected:
            raise _damaged(path, f"tensor method.{name} belongs to no part of the run")
        if (tensors[name].shape, tensors[name].dtype) != (expected[name].shape, expected[name].dtype):
            raise _damaged(path, f"tensor method.{name} has another shape or type than the run's")
    method.load_state_dict(tensors)


def _put_moments(path: Path, tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, moment = name.partition(".")
        if not number.isdecimal() or int(number) >= len(parameters) or moment not in _MOMENTS:
            raise _damaged(path, f"tensor optimizer.{name} belongs to no part of the run")
        if tensor.shape != (() if moment == "step" else parameters[int(number)].shape):
            raise _damaged(path, f"tensor optimizer.{name} has another shape than the run's")
        moments.setdefault(int(number), {})[moment] = tensor
    for number, found in moments.items():  # type: ignore[assignment]
        if found.keys() != _MOMENTS:
            raise _damaged(path, f"tensor optimizer.{number}.{min(_MOMENTS - found.keys())} is missing")
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _advance_schedule(schedule: torch.optim.lr_scheduler.LRScheduler, steps: int) -> None:
    """Set the learning rates as after so many steps, which they follow from alone."""
    schedule.load_state_dict(schedule.state_dict() | {"last_epoch": steps - 1, "_step_count": steps + 1})
    schedule.step()


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def read_log(directory: Path) -> list[dict[str, Any]]:
    """The entries of a run's log, without a line that a kill cut short; none where there is no log."""
    path = directory / LOG_FILE
    lines = path.read_text().splitlines() if path.is_file() else []
    return [entry for line in lines if (entry := _parsed(line)) is not None]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return entry


class RunLog:
    """Appends one JSON object a line, to an empty file if ``fresh``; a disabled log (another process writes it) does nothing."""

    def __init__(self, directory: Path, enabled: bool, fresh: bool) -> None:
        self.path = directory / LOG_FILE if enabled else None
        if self.path is None:
            return
        make_folder(directory)
        if fresh:
            self.path.unlink(missing_ok=True)
        elif self.path.is_file() and not self.path.read_bytes().endswith(b"\n"):
            with self.path.open("a") as file:
                file.write("\n")  # what a kill cut short stays a line of its own

    @file_errors()
    def write(self, entry: dict[str, Any]) -> None:
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(entry) + "\n")
