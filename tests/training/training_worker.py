"""A small training run in a process of its own, so that a test can kill it: ``training_worker.py METHOD PARTS DIRECTORY``."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

import model.training.loop as loop
from model.training.preparing import prepare_run
from model.training.processes import Interrupted, launched_fabric
from model.training.state import Progress
from tests.training.test_loop import config, random_faces


def main() -> int:
    method, parts, directory = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    loop.LOG_EVERY_STEPS = 1  # report every step, so that the test can aim
    directory.mkdir(parents=True, exist_ok=True)

    def on_step(progress: Progress, _losses: dict[str, float]) -> None:
        (directory / f"step-{progress.epoch + 1}-{progress.step}").touch()

    try:
        with launched_fabric("32-true") as fabric:
            run = prepare_run(config(method, parts=parts), random_faces())
            loop.fit(run, fabric, directory, True, on_step, lambda _epoch, _method: {})
    except Interrupted:
        return 130
    if torch.distributed.is_initialized():
        print("the processes have not parted: one of them may be aborted at its exit")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
