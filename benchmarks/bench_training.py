"""A whole training step against its bare forward and backward pass: what loading, augmentation and the optimizer add.

python -m benchmarks.bench_training --data datasets/ferplus.zip --rounds 20
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch.nn import functional as F

from benchmarks.timing import interleaved_medians, markdown_table, save
from model.data.augment import Augmentation
from model.data.ferplus import load_ferplus
from model.training.config import TrainingConfig
from model.training.preparing import prepare_run
from model.training.processes import native_precision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="FERPlus")
    parser.add_argument("--rounds", type=int, default=20, help="interleaved rounds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = TrainingConfig(method="baseline", precision=native_precision())
    run = prepare_run(config, load_ferplus(arguments.data, "train").labelled())
    classifier, optimizer = run.method.classifier, run.optimizer
    augment = Augmentation(config.input_size)
    indices = torch.arange(config.batch)
    labels = run.faces.labels[indices]

    def load() -> torch.Tensor:
        return augment(run.faces.images[indices]).contiguous(memory_format=torch.channels_last)

    images = load()

    def forward_backward(batch: torch.Tensor) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16-mixed"):
            loss = F.cross_entropy(classifier(batch).logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]

    def bare() -> None:
        forward_backward(images)
        optimizer.zero_grad()

    def whole_step() -> None:
        forward_backward(load())
        optimizer.step()
        optimizer.zero_grad()

    contenders = {"bare forward and backward": bare, "whole step": whole_step, "loading and augmentation alone": load}
    medians = interleaved_medians(contenders, arguments.rounds)
    print(markdown_table(medians, "bare forward and backward"))
    rate = {name: 1000 * config.batch / medians[name]["median"] for name in ("bare forward and backward", "whole step")}
    print(f"images a second: bare {rate['bare forward and backward']:.0f}, whole step {rate['whole step']:.0f}")
    save(
        "training",
        medians,
        {"rounds": arguments.rounds, "batch": config.batch, "input_size": config.input_size, "precision": config.precision},
    )


if __name__ == "__main__":
    main()
