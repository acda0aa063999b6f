"""What a training method is: the modules it trains, how it draws batches, its loss, what happens between steps and epochs, what it
serves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from model.classifier import ExpressionClassifier, PooledHead
from model.errors import InputError
from model.methods.settings import NoSettings


class Batch(NamedTuple):
    """``images`` (N, 3, S, S) in 0..255, augmented; ``labels`` (N,); ``indices`` (N,) into the training set; ``companion``: the
    second batch of the methods that draw one."""

    images: Tensor
    labels: Tensor
    indices: Tensor
    companion: Batch | None = None


@dataclass(frozen=True)
class TrainingTask:
    """What a method may know of its training set and run.

    ``counts`` are faces a class in this very (possibly thinned) set, as are ``labels`` (T,) and ``votes`` (T, 10), (T, 0) for a dataset
    that publishes none. ``answers`` are the teachers' log-probabilities (T, L), if there are teachers.
    """

    counts: tuple[int, ...]
    labels: Tensor
    votes: Tensor
    epochs: int
    steps_per_epoch: int
    map_size: int
    answers: Tensor | None = None

    @property
    def classes(self) -> int:
        return len(self.counts)


def log_prior(counts: Sequence[int]) -> Tensor:
    """Logarithm of the class frequencies of a training set, ``(L,)``; a class without a face counts as one."""
    n = torch.tensor(counts, dtype=torch.float32).clamp(min=1)
    return (n / n.sum()).log()


class Method(nn.Module, ABC):
    """One training method. Everything it must remember between steps is a parameter or a buffer, so that its ``state_dict`` is its
    whole state."""

    name: ClassVar[str]
    Settings: ClassVar[type[Any]] = NoSettings
    tails: ClassVar[int] = 1  # copies of the network's last block

    def __init__(self, classifier: ExpressionClassifier, task: TrainingTask, settings: Any) -> None:
        super().__init__()
        self.classifier = classifier
        self.task = task
        self.settings = settings

    @property
    def pooled_head(self) -> PooledHead:
        """The classifier's pooled linear head."""
        head = self.classifier.head
        assert isinstance(head, PooledHead)
        return head

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of a batch, each a scalar; ``loss`` is the one to minimise, the others are its parts, for the log."""

    def companion_indices(self, indices: Tensor) -> Tensor | None:
        """Training-set indices of the second batch that goes with ``indices`` (N,), or None; draws from torch's global generator."""
        return None

    def begin_epoch(self, epoch: int) -> None:
        """Called before epoch 1, 2, ... with its number."""

    def after_step(self, step: int) -> None:
        """Called after optimizer step 1, 2, ... of the run."""

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Called after an epoch; returns figures for the log."""
        return {}

    def inference(self) -> ExpressionClassifier:
        """The classifier that predicts, with exact attention maps."""
        return self.classifier


class EpochMethod(Method):
    """A method whose loss depends on the epoch, 1, 2, ...: a buffer, so that a run goes on in the epoch where it was stopped."""

    epoch: Tensor

    def __init__(self, classifier: ExpressionClassifier, task: TrainingTask, settings: Any) -> None:
        super().__init__(classifier, task, settings)
        self.register_buffer("epoch", torch.tensor(1))

    def begin_epoch(self, epoch: int) -> None:
        self.epoch.fill_(epoch)


def parse_settings(method: type[Method], values: dict[str, str]) -> Any:
    """A method's settings from ``name=value`` strings.

    Raises:
        InputError: a name the method does not have, or a value of the wrong type; the message lists what it has.
    """
    known = {field.name: field for field in fields(method.Settings)}
    parsed: dict[str, Any] = {}
    for name, text in values.items():
        if name not in known:
            raise InputError(f"method {method.name} has no setting {name!r}; it has: {', '.join(known) or 'none'}")
        kind: type[Any] = type(known[name].default)
        try:
            parsed[name] = {"true": True, "false": False}[text] if kind is bool else kind(text)
        except (ValueError, KeyError) as error:
            raise InputError(f"setting {name} of method {method.name} must be a {kind.__name__}, not {text!r}") from error
    return method.Settings(**parsed)
