"""A trained network asked at other input sizes than the one it was trained at: finer maps without training, and what they cost.

    python -m benchmarks.input_sizes --data datasets/ferplus.zip baseline cac

The network's steps of 16 pixels make maps of 5x5 cells at 99 px, 6x6 at 115 and 7x7 at 131, the paper's. A face enlarged further looks to a
trained filter like a larger face, so accuracy says how far that can go. Every size gets the same faces and the same measures.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
from torch import Tensor

from benchmarks.checkpoint_study import study_checkpoints
from model.data.faces import FaceSet
from model.measuring.evaluation import accuracies, split_outputs
from model.measuring.mirror import SplitOutputs, mirror_figures
from model.preprocessing import network_input
from model.reference import load_checkpoint

SIZES = (99, 115, 131)  # pixels; 16 apart, each whole cells of its network
SPLITS = ("valid", "test")
COLUMNS = ("", "px", "cells", "overall / mean", "two views", "flip consistency", "own symmetry", "other faces", "changed, %", "seconds")


def per_cent(logits: Tensor, labels: Tensor) -> str:
    found = accuracies(logits.argmax(1), labels)
    return f"{100 * found['overall']:.2f} / {100 * found['mean']:.2f}"


def row(title: str, size: int, outputs: SplitOutputs, labels: Tensor, seconds: float) -> str:
    mirror = mirror_figures(outputs)
    cells = outputs.maps.shape[-1]
    of_maps = [f"{np.nanmean(values, axis=0).mean():.3f}" for values in (mirror.consistency, mirror.own_symmetry, mirror.other_faces)]
    figures = [
        per_cent(outputs.logits, labels),
        per_cent(outputs.two_view_logits, labels),
        *of_maps,
        f"{100 * mirror.changed_answers.mean():.1f}",
    ]
    return "| " + " | ".join([title, str(size), f"{cells}x{cells}", *figures, f"{seconds:.0f}"]) + " |"


def study(name: str, path: Path, faces: dict[str, FaceSet]) -> None:
    """Print a row for each split and size."""
    checkpoint = load_checkpoint(path)
    for split, seen in faces.items():
        for size in SIZES:
            start = perf_counter()
            outputs = split_outputs(checkpoint.classifier, partial(network_input, size=size), seen)
            print(row(f"{name}, {split}", size, outputs, seen.labels, perf_counter() - start), flush=True)


def main() -> None:
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    study_checkpoints(__doc__, SPLITS, study)


if __name__ == "__main__":
    main()
