"""The training loop: one method on one dataset, resumable at any step, on processors to bit-identical weights.

All randomness of a step comes from torch's global generator, seeded anew from (seed, epoch, step, part), so a run needs no generator
state to continue. Lightning Fabric puts the same loop on an accelerator or on several processes (``torchrun`` in place of the interpreter).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from model.data.augment import Augmentation
from model.errors import InputError
from model.files.revision import code_revision
from model.methods.base import Batch, Method
from model.training.preparing import Run, seed_everything
from model.training.processes import Interrupted, any_process, stop_requests
from model.training.state import Progress, RunLog, RunParts, load_state, refuse_saved_state, save_state

LOG_EVERY_STEPS = 20


class DivergedError(InputError):
    """The choices of a run made its loss infinite or not a number; the message says what to change."""


def fit(
    run: Run,
    fabric: Fabric,
    directory: Path,
    resume: bool,
    on_step: Callable[[Progress, dict[str, float]], None],
    on_epoch: Callable[[int, Method], dict[str, Any]],
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
    stepper = Stepper(run, fabric, method, optimizer, Augmentation(run.config.input_size, run.config.augmentation))
    # after the setup, so that the optimizer's moments go where its parameters are
    progress = load_state(directory, saved) if resume else Progress()
    log = RunLog(directory, enabled=fabric.is_global_zero, fresh=progress.epoch == progress.step == 0)

    def save() -> None:
        if fabric.is_global_zero:
            save_state(directory, saved, progress)

    revision = code_revision()
    with stop_requests() as stop_requested:
        while progress.epoch < run.config.epochs:
            progress.name_revision(revision)
            if progress.step == 0:
                run.method.begin_epoch(progress.epoch + 1)
            method.train()
            for means in stepper.steps(progress):
                if means is not None:
                    log.write({"epoch": progress.epoch + 1, "step": progress.step, "seconds": progress.seconds, **means})
                    on_step(progress, means)
                if any_process(fabric, stop_requested()):
                    save()
                    raise Interrupted
            figures = run.method.end_epoch(progress.epoch + 1)
            progress.finish_epoch()
            if fabric.is_global_zero:
                figures |= on_epoch(progress.epoch, run.method)
            log.write({"epoch": progress.epoch, "finished": True, "seconds": progress.seconds, **figures})
            save()
    return progress


@dataclass(frozen=True)
class Stepper:
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
            batch = self.load(parts[part])
            companion = run.method.companion_indices(parts[part])
            if companion is not None:
                batch = Batch(batch.images, batch.labels, batch.indices, self.load(companion))
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

    def load(self, indices: Tensor) -> Batch:
        """Faces, augmented, on the device."""
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
