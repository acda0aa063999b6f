"""What the test faces of FERPlus that are in its training split, too, do to accuracies: recorded runs with them and without.

    python -m benchmarks.without_copies --data datasets/ferplus.zip checkpoints/results/epochs30/*.json

A copy is a labelled test face with the very pixels of a labelled training face. Runs of a method are averaged over their seeds, and
set against plain training of the same seeds, with the 95% bootstrap interval over the faces that are left.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.data.faces import FaceSet
from model.data.labelled import load_labelled_faces
from model.measuring.bootstrap import Floats, Labels, drawn_accuracies
from model.measuring.results import RunResult, load_named
from model.methods.settings import PLAIN
from model.tables.by_face import accuracy_changes
from model.tables.layout import METHOD_TITLES, paired_with_plain
from model.tables.two_runs import change_text

Kept = np.ndarray[tuple[int], np.dtype[np.bool_]]


def no_copies(test: FaceSet, train: FaceSet) -> Kept:
    """``(N,)``: which test faces have the pixels of no training face."""
    seen = {face.numpy().tobytes() for face in train.images}
    return np.array([face.numpy().tobytes() not in seen for face in test.images])


def right(runs: Sequence[RunResult]) -> tuple[Floats, Labels]:
    """Share of the runs that name each test face right, ``(N,)``, and the labels; every run keeps its predictions."""
    found = [run.test_predictions for run in runs if run.test_predictions is not None]
    assert len(found) == len(runs), "a run keeps no predictions"
    return np.mean([predictions.right for predictions in found], axis=0), found[0].label_indices


def rows(runs: Sequence[RunResult], kept: Kept) -> list[str]:
    """Overall and mean accuracy in per cent of each method, on all faces, without the copies, and on the copies alone."""
    made = []
    for method in (name for name in METHOD_TITLES if any(run.method == name for run in runs)):
        share, labels = right([run for run in runs if run.method == method])
        cells = []
        for faces in (np.ones_like(kept), kept, ~kept):
            found = drawn_accuracies(share[:, None], labels, faces[None].astype(np.float64))
            cells.append(" / ".join(f"{100 * found[kind][0, 0]:.2f}" for kind in ("overall", "mean")))
        made.append(f"| {method} | {' | '.join(cells)} |")
        pairs = paired_with_plain(runs, method)
        if method != PLAIN and pairs:
            gains = right([own for own, _ in pairs])[0] - right([plain for _, plain in pairs])[0]
            each = (accuracy_changes(gains[faces][:, None], labels[faces])[0] for faces in (np.ones_like(kept), kept))
            cells = [" / ".join(map(change_text, changes.values())) for changes in each]
            made.append(f"| {method} less {PLAIN}, same seeds | {' | '.join(cells)} | |")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="ferplus.zip, or the folder it holds")
    parser.add_argument("results", type=Path, nargs="+", help="result files of one protocol on all training faces")
    arguments = parser.parse_args()
    test, train = (load_labelled_faces("ferplus", arguments.data, split) for split in ("test", "train"))
    kept = no_copies(test, train)
    print(f"{(~kept).sum()} of {len(kept)} test faces are in the training split, too: {100 * (~kept).mean():.1f} %\n")
    print("| overall / mean, % | all test faces | without the copies | the copies |\n|---|---|---|---|")
    print("\n".join(rows([load_named(path) for path in arguments.results], kept)))


if __name__ == "__main__":
    main()
