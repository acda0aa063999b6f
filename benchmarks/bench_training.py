"""A step of the training loop against a bare forward and backward pass of the same network: what the loop adds, all of it.

The step is the loop's own: it draws and augments its faces, computes the method's losses, checks them, takes the optimizer and the schedule
further, and after every twentieth adds up what goes to the log. The bare pass gets one batch that is ready.

    python -m benchmarks.bench_training --data datasets/ferplus.zip --rounds 20
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch.nn import functional as F

from benchmarks.timing import interleaved_medians, markdown_table, save
from model.data.augment import Augmentation
from model.data.ferplus import load_ferplus
from model.files.allocator import keep_freed_memory
from model.training.config import TrainingConfig
from model.training.loop import Stepper
from model.training.preparing import Run, prepare_run
from model.training.processes import launched_fabric, native_precision
from model.training.state import Progress

BARE, STEP, LOADING = "bare forward and backward", "step of the training loop", "loading and augmentation alone"


def contenders(run: Run, fabric: Fabric) -> dict[str, Callable[[], object]]:
    """What is timed, by name; each round takes one step of the first epoch."""
    method, optimizer = fabric.setup(run.method, run.optimizer)
    method.train()
    stepper = Stepper(run, fabric, method, optimizer, Augmentation(run.config.input_size, run.config.augmentation))
    steps = stepper.steps(Progress())
    indices = torch.arange(run.config.batch)
    ready = stepper.load(indices)

    def bare() -> None:
        with fabric.autocast():
            loss = F.cross_entropy(run.method.classifier(ready.images).logits, ready.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.zero_grad()

    return {BARE: bare, STEP: lambda: next(steps), LOADING: lambda: stepper.load(indices)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="FERPlus")
    parser.add_argument("--rounds", type=int, default=20, help="interleaved rounds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as `unturned train` does
    config = TrainingConfig(method="baseline", precision=native_precision())
    with launched_fabric(config.precision) as fabric:
        run = prepare_run(config, load_ferplus(arguments.data, "train").labelled())
        medians = interleaved_medians(contenders(run, fabric), arguments.rounds)
    print(markdown_table(medians, BARE))
    bare, step = (1000 * config.batch / medians[name]["median"] for name in (BARE, STEP))
    print(f"images a second: bare {bare:.0f}, in the loop {step:.0f}, a ratio of {step / bare:.2f}")
    setting = {"rounds": arguments.rounds, "batch": config.batch, "input_size": config.input_size, "precision": config.precision}
    save("training", medians, setting, ["torch", "lightning-fabric", "kornia", "numpy"])


if __name__ == "__main__":
    main()
