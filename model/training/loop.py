"""The training loop: one method on one dataset, resumable at any step to bit-identical weights.

All randomness of a step comes from torch's global generator, seeded anew from (seed, epoch, step, part), so a run needs no generator
state to continue. Lightning Fabric puts the same loop on an accelerator or on several processes (``torchrun`` in place of the interpreter).
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from model.classifier import ExpressionClassifier, PooledHead
from model.data.augment import Augmentation
from model.data.ferplus import FaceSet
from model.errors import InputError
from model.files.revision import code_revision
from model.methods.base import Batch, Method, TrainingTask
from model.methods.registry import find_method
from model.networks import network_grid
from model.networks.build import build_network
from model.networks.dlib_resnet import DlibResNet
from model.networks.dlib_weights import calibrate_batchnorm, find_weights, load_dlib_weights, read_layers
from model.preprocessing import network_input
from model.training.config import TrainingConfig
from model.training.optimization import build_optimizer
from model.training.state import Progress, RunLog, RunParts, load_state, refuse_saved_state, save_state
from model.training.teachers import digest

CALIBRATION_FACES = 1024
LOG_EVERY_STEPS = 20


class Interrupted(Exception):
    """The run was asked to stop; its state is saved and it continues with ``--resume``."""


class DivergedError(InputError):
    """The choices of a run made its loss infinite or not a number; the message says what to change."""


@dataclass
class Run:
    """A method ready to train: built from a config, with the optimizer and schedule it will use."""

    config: TrainingConfig
    faces: FaceSet
    method: Method
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    steps_per_epoch: int

    def identity(self) -> dict[str, Any]:
        """What a saved state must have in common with the run that continues it: every choice, the constants of the method, the faces,
        and what teachers say of them."""
        constants = {"settings": asdict(self.method.settings)}
        return asdict(self.config) | constants | {"training faces": self.faces.digest(), "answers": digest(self.method.task.answers)}


def prepare_run(config: TrainingConfig, faces: FaceSet, answers: Tensor | None = None) -> Run:
    """Build network, head, method and optimizer with the same initial weights for every method of a seed.

    Except the head and the BatchNorm calibration of BBN, whose second branch takes random numbers before them, and RUL's own head.

    Args:
        faces: labelled training faces.
        answers: what the teachers say of them, log-probabilities ``(T, L)``.

    Raises:
        InputError: fewer faces than one batch, or a choice that does not exist.
    """
    steps = len(faces) // config.batch
    if steps == 0:
        raise InputError(f"{len(faces)} training faces are fewer than one batch of {config.batch}")
    method_class = find_method(config.method)
    classifier = pretrained_classifier(config, method_class.tails, faces)
    map_size = network_grid(config.network, config.input_size).cells
    task = TrainingTask(faces.counts(), faces.labels, faces.votes, config.epochs, steps, map_size, answers)
    method = method_class(classifier, task, config.method_settings()).to(memory_format=torch.channels_last)
    network = list(classifier.network.parameters())
    in_network = {id(parameter) for parameter in network}
    others = [parameter for parameter in method.parameters() if parameter.requires_grad and id(parameter) not in in_network]
    optimizer, schedule = build_optimizer(config.optimizer, network, others, config.lr, config.weight_decay, config.epochs, steps)
    return Run(config, faces, method, optimizer, schedule, steps)


def pretrained_classifier(config: TrainingConfig, tails: int, faces: FaceSet) -> ExpressionClassifier:
    seed_everything(config.seed)
    network = build_network(config.network, tails)
    classifier = ExpressionClassifier(network, PooledHead(network.channels, len(faces.counts())))
    if isinstance(network, DlibResNet):
        load_dlib_weights(network, read_layers(find_weights().read_bytes()))
        chosen = torch.randperm(len(faces))[:CALIBRATION_FACES]
        calibrate_batchnorm(network, (network_input(faces.images[part], config.input_size) for part in torch.split(chosen, 64)))
    elif config.resnet18_weights is not None:
        network.load_pretrained(Path(config.resnet18_weights))
    return classifier


def native_precision() -> str:
    """``bf16-mixed`` where the accelerator, or without one the processor, computes bfloat16 itself, else ``32-true``.

    Emulated, bfloat16 is many times slower than float32: 15 times on a processor with AVX2 alone.
    """
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return "bf16-mixed" if native else "32-true"


@contextmanager
def launched_fabric(precision: str) -> Iterator[Fabric]:
    """Fabric on the processes that ``torchrun`` started, or on this one alone; they part when the block ends without an error.

    A process that exits while its group lives may be aborted by a communication thread, and fail although its work is done and saved.
    They part after :class:`Interrupted`, too, which all raise at the same step. After another exception the group is left to the exit: to
    part from processes that still wait for a reduction can block for ever.
    """
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    nodes = int(os.environ.get("WORLD_SIZE", "1")) // local
    fabric = Fabric(devices=local, num_nodes=nodes, precision=precision)  # type: ignore[arg-type]
    fabric.launch()
    try:
        yield fabric
    except Interrupted:
        _part()
        raise
    _part()


def _part() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def seed_everything(*numbers: int) -> None:
    """Seed torch's global generator from a sequence of non-negative integers."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1))


def fit(
    run: Run,
    fabric: Fabric,
    directory: Path,
    resume: bool,
    on_step: Callable[[Progress, dict[str, float]], None],
    on_epoch: Callable[[int, Method], dict[str, float]],
) -> Progress:
    """Train to the end; returns the progress, with the seconds spent in training steps and the code revisions, over all sittings.

    Args:
        directory: receives ``state.safetensors`` after every epoch and at an interrupt, the one before it, and ``log.jsonl``.
        resume: continue from the state in ``directory`` if there is one.
        on_step: called with the position and the mean losses since the last call.
        on_epoch: called after every epoch; the figures it returns go to the log.

    Raises:
        DivergedError: the loss is infinite or not a number.
        Interrupted: SIGINT or SIGTERM came to any of the processes; the state is saved.
        StateError: the directory holds the state of another run, or of any run if this one does not resume.
        InputError: the processes cannot take equal parts of a batch.
    """
    run.config.check_shares(fabric.world_size)
    if not resume:
        refuse_saved_state(directory)
    identity = run.identity() | {"processes": fabric.world_size}  # BatchNorm and the augmentation see the parts of a batch
    saved = RunParts(run.method, run.optimizer, run.schedule, identity, run.config.epochs, run.steps_per_epoch)
    method, optimizer = fabric.setup(run.method, run.optimizer)
    stepper = _Stepper(run, fabric, method, optimizer, Augmentation(run.config.input_size, run.config.augmentation))
    # after the setup, so that the optimizer's moments go where its parameters are
    progress = load_state(directory, saved) if resume else Progress()
    progress.name_revision(code_revision())
    log = RunLog(directory, enabled=fabric.is_global_zero, fresh=progress.epoch == progress.step == 0)

    def save() -> None:
        if fabric.is_global_zero:
            save_state(directory, saved, progress)

    with stop_requests() as stop_requested:
        while progress.epoch < run.config.epochs:
            if progress.step == 0:
                run.method.begin_epoch(progress.epoch + 1)
            method.train()
            for means in stepper.steps(progress):
                if means is not None:
                    log.write({"epoch": progress.epoch + 1, "step": progress.step, "seconds": progress.seconds, **means})
                    on_step(progress, means)
                if _any_process(fabric, stop_requested()):
                    save()
                    raise Interrupted
            figures = run.method.end_epoch(progress.epoch + 1)
            progress.finish_epoch()
            if fabric.is_global_zero:
                figures |= on_epoch(progress.epoch, run.method)
            log.write({"epoch": progress.epoch, "finished": True, "seconds": progress.seconds, **figures})
            save()
    return progress


def _any_process(fabric: Fabric, flag: bool) -> bool:
    """Whether the flag is up in any process. All call this after every step, so that they stop at the same one: a process that stopped by
    itself would leave the others waiting for its gradients."""
    if fabric.world_size == 1:
        return flag
    flags = fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="sum")
    assert isinstance(flags, Tensor)
    return flags.item() > 0


@dataclass(frozen=True)
class _Stepper:
    """Takes the steps of a run; ``method`` and ``optimizer`` are the run's as Fabric wraps them."""

    run: Run
    fabric: Fabric
    method: Any
    optimizer: Any
    augment: Augmentation

    def steps(self, progress: Progress) -> Iterator[dict[str, float] | None]:
        """Do the rest of an epoch, advancing ``progress``; after each step yields the mean losses to be logged, or None between logs."""
        since: list[dict[str, float]] = []
        for indices in _batches(self.run, progress):
            started = time.monotonic()
            since.append(self._step(progress, indices))
            progress.advance(time.monotonic() - started)
            if progress.step % LOG_EVERY_STEPS == 0 or progress.step == self.run.steps_per_epoch:
                yield self._means(since)
                since = []
            else:
                yield None

    def _step(self, progress: Progress, indices: Tensor) -> dict[str, float]:
        """One step of the optimizer; returns this process's mean losses over its parts of the batch."""
        run, position = self.run, (progress.epoch + 1, progress.step + 1)
        parts = indices.chunk(self.fabric.world_size * run.config.parts)
        mine = range(self.fabric.global_rank, len(parts), self.fabric.world_size)
        sums: dict[str, float] = {}
        for count, part in enumerate(mine, 1):
            seed_everything(run.config.seed, *position, part)
            batch = self._load(parts[part])
            companion = run.method.companion_indices(parts[part])
            if companion is not None:
                batch = Batch(batch.images, batch.labels, batch.indices, self._load(companion))
            with self.fabric.no_backward_sync(self.method, enabled=count < len(mine)):
                losses = self.method(batch)
                if not math.isfinite(losses["loss"].item()):
                    where = "epoch {}, step {}".format(*position)
                    raise DivergedError(f"the loss is {losses['loss'].item()} at {where}: choose a smaller --lr or other settings")
                self.fabric.backward(losses["loss"] / len(mine))
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.item() / len(mine)
        self.optimizer.step()
        self.optimizer.zero_grad()
        run.schedule.step()
        run.method.after_step(progress.epoch * run.steps_per_epoch + progress.step + 1)
        return sums

    def _load(self, indices: Tensor) -> Batch:
        faces, labels = self.fabric.to_device((self.run.faces.images[indices], self.run.faces.labels[indices]))
        images = self.augment(faces).contiguous(memory_format=torch.channels_last)
        return Batch(images, labels, indices)

    def _means(self, losses: Sequence[dict[str, float]]) -> dict[str, float]:
        """Mean losses a step, over all processes."""
        sums = [sum(each[name] for each in losses) for name in losses[0]]
        totals = self.fabric.all_reduce(torch.tensor(sums, device=self.fabric.device), reduce_op="mean")
        assert isinstance(totals, Tensor)
        return {name: value / len(losses) for name, value in zip(losses[0], totals.tolist(), strict=True)}


def _batches(run: Run, progress: Progress) -> Iterator[Tensor]:
    """Index batches of the current epoch from the current step on; the last, smaller batch is dropped."""
    seed_everything(run.config.seed, progress.epoch + 1)
    order = torch.randperm(len(run.faces))
    for step in range(progress.step, run.steps_per_epoch):
        yield order[step * run.config.batch : (step + 1) * run.config.batch]


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Within the block, SIGINT and SIGTERM only raise a flag, which the yielded function reads; a second one acts as usual."""
    asked: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, remember)
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
