"""What a training run keeps on disk: its whole state in one safetensors file, and a log of JSON lines. Nothing is pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from model.files.atomic_write import replace_file

STATE_FILE = "state.safetensors"
LOG_FILE = "log.jsonl"


class StateError(Exception):
    """The saved state does not belong to the run that wants to continue; the message says what differs."""


@dataclass
class Progress:
    """Where a run stands: ``epoch`` finished epochs and ``step`` finished steps of the next one; ``seconds`` spent in steps;
    ``revisions`` of the code that did them."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
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


def save_state(
    directory: Path,
    method: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    identity: Mapping[str, Any],
    progress: Progress,
) -> None:
    """Write the state atomically: a kill at any moment leaves the old file or the new one."""
    tensors = {f"method.{name}": tensor for name, tensor in method.state_dict().items()}
    optimizer_state = optimizer.state_dict()
    for number, moments in optimizer_state["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in moments.items()}
    texts = {
        "identity": json.dumps(dict(identity)),
        "progress": json.dumps(asdict(progress)),
        "groups": json.dumps(optimizer_state["param_groups"]),
        "schedule": json.dumps(schedule.state_dict(), default=lambda _: None),
    }
    directory.mkdir(parents=True, exist_ok=True)
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    replace_file(directory / STATE_FILE, save(copies, texts))


def load_state(
    directory: Path,
    method: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    identity: Mapping[str, Any],
) -> Progress:
    """Put a saved state into freshly built parts; a directory without one starts from the beginning.

    Raises:
        StateError: the state was saved by another run, or is damaged.
    """
    path = directory / STATE_FILE
    if not path.is_file():
        return Progress()
    try:
        with safe_open(path, "pt") as file:
            texts = file.metadata()
    except SafetensorError as error:
        raise StateError(f"{path} is damaged: delete {directory} to start again") from error
    saved, wanted = json.loads(texts.get("identity", "{}")), json.loads(json.dumps(dict(identity)))
    if saved != wanted:
        differing = ", ".join(sorted(name for name in wanted if saved.get(name) != wanted[name]))
        raise StateError(f"{path} is of a run that differs in {differing}: delete {directory} to start again, or choose another --out")
    tensors = load_file(path)
    method.load_state_dict(_with_prefix(tensors, "method."))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _with_prefix(tensors, "optimizer.").items():
        number, field = name.split(".", 1)
        moments.setdefault(int(number), {})[field] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": json.loads(texts["groups"])})
    schedule.load_state_dict({name: value for name, value in json.loads(texts["schedule"]).items() if value is not None})
    return Progress(**json.loads(texts["progress"]))


def refuse_saved_state(directory: Path) -> None:
    """A run begun anew must not replace what another one has trained.

    Raises:
        StateError: the directory holds a state; the message says what to do.
    """
    path = directory / STATE_FILE
    if path.is_file():
        raise StateError(f"{path} is of an earlier run: add --resume to continue it, or delete {directory} to start again")


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
        directory.mkdir(parents=True, exist_ok=True)
        if fresh:
            self.path.unlink(missing_ok=True)
        elif self.path.is_file() and not self.path.read_bytes().endswith(b"\n"):
            with self.path.open("a") as file:
                file.write("\n")  # what a kill cut short stays a line of its own

    def write(self, entry: dict[str, Any]) -> None:
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(entry) + "\n")
