"""What a training run is told, checked before anything is read: every choice that shapes its weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.methods.attention_consistency import paired_faces
from model.methods.base import parse_settings
from model.methods.registry import find_method
from model.networks import LARGEST_INPUT, smallest_input
from model.training.protocol import AUGMENTATIONS, OPTIMIZERS, Protocol

SEEDS = 2**64  # as many as a checkpoint's metadata can name


@dataclass(frozen=True)
class TrainingConfig:
    """Every choice of a run that shapes its weights; the defaults are the protocol of the tables.

    ``lr`` is the network's peak learning rate, ``optimizer`` says what it does over the run and what the head's is. A batch is seen in
    ``parts`` parts a process, their gradients added up; parts are of equal size, so that every face counts alike. ``teachers`` are files
    of checkpoints.

    Raises:
        InputError: a choice that cannot be trained with; the message names it and what would do.
    """

    method: str
    network: str = Protocol.network
    input_size: int = Protocol.input_size
    epochs: int = Protocol.epochs
    batch: int = Protocol.batch
    lr: float = Protocol.lr
    weight_decay: float = Protocol.weight_decay
    seed: int = 1
    precision: str = "bf16-mixed"
    parts: int = Protocol.parts
    augmentation: str = Protocol.augmentation
    optimizer: str = Protocol.optimizer
    settings: tuple[tuple[str, str], ...] = ()
    teachers: tuple[str, ...] = ()
    resnet18_weights: str | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "parts"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.seed < SEEDS:
            raise InputError(f"--seed must be 0 or more and below 2**64, not {self.seed}")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise InputError(f"--lr must be a number above 0, not {self.lr:g}")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise InputError(f"--weight-decay must be a number of 0 or more, not {self.weight_decay:g}")
        for name, choices in (("augmentation", AUGMENTATIONS), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in choices:
                raise InputError(f"--{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        smallest = smallest_input(self.network)
        if not smallest <= self.input_size <= LARGEST_INPUT:
            raise InputError(f"--input-size of {self.network} is {smallest} to {LARGEST_INPUT} pixels, not {self.input_size}")
        self._check_method()

    def _check_method(self) -> None:
        distillation = getattr(self.method_settings(), "distillation", None)
        if distillation is None and self.teachers:
            raise InputError(f"--teachers are for --method cac; {self.method} learns from labels alone")
        if bool(distillation) != bool(self.teachers):
            raise InputError("--teachers and --set distillation=D, their part of the loss, go together: give both or none")
        if self.resnet18_weights is not None and self.network != "resnet18":
            raise InputError(f"--resnet18-weights are for --network resnet18; {self.network} has pretrained weights of its own")
        if self.resnet18_weights is not None and not Path(self.resnet18_weights).is_file():
            raise InputError(f"--resnet18-weights {self.resnet18_weights}: no such file")

    def method_settings(self) -> Any:
        """The settings of the method, as its class has them.

        Raises:
            InputError: no such method or setting, or a value that is none.
        """
        return parse_settings(find_method(self.method), dict(self.settings))

    def check_shares(self, processes: int) -> None:
        """Whether ``processes`` processes can take equal parts of every batch.

        Raises:
            InputError: they cannot, or a part would have a single face, which BatchNorm cannot be trained on, or a single pair, which a
                contrast has nothing to tell from.
        """
        shares = self.parts * processes
        if self.batch % shares or self.batch // shares < 2:
            parts = f"{self.parts} parts on each of {processes} processes" if processes > 1 else f"{self.parts} parts"
            raise InputError(f"--batch {self.batch} cannot be seen in {parts}: it takes equal parts of two faces or more")
        settings, faces = self.method_settings(), self.batch // shares
        if getattr(settings, "contrast", 0) and paired_faces(settings.pair_share, faces) < 2:
            raise InputError(
                f"a part of {faces} faces has one pair, which setting contrast cannot tell from another: choose fewer --parts, "
                "a larger --batch or pair_share, or contrast=0"
            )
