"""What a run, or a method's seeds, adds to another on the same faces: accuracies with their intervals, and the frontier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from model.errors import InputError
from model.measuring.frontier import VIEWS, frontier_gain, mean_curve
from model.measuring.results import RunResult, load_named
from model.paper import SUMMARIES
from model.tables.by_face import Change, accuracy_changes
from model.tables.layout import seeds_text
from model.tables.other_protocols import SPLITS


def run_compare(results: Sequence[Path], references: Sequence[Path]) -> int:
    """``unturned compare``: print what the runs of some result files add to those of others, in points.

    Raises:
        InputError: a file cannot be used, the runs do not make pairs, or they were measured on other faces.
    """
    text = comparison([load_named(path) for path in results], [load_named(path) for path in references])
    names = (", ".join(path.stem for path in paths) for paths in (results, references))
    print(f"{' less '.join(names)}; points\n\n{text}")
    return 0


def comparison(runs: Sequence[RunResult], references: Sequence[RunResult]) -> str:
    """Differences in points, as Markdown; of several runs, each less the reference of its seed.

    Raises:
        InputError: the runs do not make pairs, or they were measured on other faces.
    """
    pairs = _pairs(runs, references)
    over_faces = [*_over_faces(pairs)]
    accuracies = [*over_faces, *(line for split in SPLITS for line in _over_seeds(split, pairs))]
    faces = "Over faces: 95% bootstrap interval over the test faces, both on the same draws; it knows nothing of other seeds."
    seeds = ["Over seeds: standard deviation and 95% t interval; they know nothing of other faces."] if len(pairs) > 1 else []
    parts = [
        ["| accuracy | overall | mean |", "|---|---|---|", *accuracies],
        [
            "| mean accuracy at the same overall accuracy or better | on average | at least | over |",
            "|---|---|---|---|",
            *_frontiers(pairs),
        ],
        [faces if over_faces else "A file keeps no predictions, so nothing is known over faces.", *seeds],
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def _pairs(runs: Sequence[RunResult], references: Sequence[RunResult]) -> list[tuple[RunResult, RunResult]]:
    ordered, others = (sorted(each, key=lambda run: run.seed) for each in (runs, references))
    seeds, other_seeds = ([run.seed for run in each] for each in (ordered, others))
    if len(seeds) != len(other_seeds) or (len(seeds) > 1 and seeds != other_seeds) or len(set(seeds)) < len(seeds):
        raise InputError(
            f"{seeds_text(seeds)} cannot be paired with {seeds_text(other_seeds)}: give one run of each, or the same seeds of both"
        )
    pairs = list(zip(ordered, others, strict=True))
    if len({(run.dataset, run.test.faces, *map(sum, run.test.confusion)) for pair in pairs for run in pair}) > 1:
        raise InputError("the runs were not measured on the same test faces: their number differs in a class, or the data set")
    return pairs


def _over_faces(pairs: Sequence[tuple[RunResult, RunResult]]) -> Iterator[str]:
    kept = [(own.test_predictions, other.test_predictions) for own, other in pairs]
    both = [(own, other) for own, other in kept if own is not None and other is not None]
    if len(both) < len(pairs):  # a file from before predictions were kept
        return
    labels = both[0][0].labels
    if any(each.labels != labels for pair in both for each in pair):
        raise InputError("the runs were not measured on the same test faces: their labels differ")
    gains = np.mean([own.right - other.right for own, other in both], axis=0)
    (changes,) = accuracy_changes(gains[:, None], both[0][0].label_indices)
    yield f"| test, over faces | {' | '.join(map(change_text, changes.values()))} |"


def change_text(change: Change) -> str:
    """Points with their interval."""
    return f"{change.points:+.2f} {_interval(change.interval)}"


def _over_seeds(split: str, pairs: Sequence[tuple[RunResult, RunResult]]) -> Iterator[str]:
    measured = [(SPLITS[split](own), SPLITS[split](other)) for own, other in pairs]
    both = [(own, other) for own, other in measured if own is not None and other is not None]
    if len(both) < len(pairs):  # RAF-DB has no validation split
        return
    cells = [_spread([100 * (getattr(own, name) - getattr(other, name)) for own, other in both]) for name in SUMMARIES]
    yield f"| {split}{', over seeds' if len(pairs) > 1 else ''} | {' | '.join(cells)} |"


def _spread(differences: Sequence[float]) -> str:
    mean = f"{np.mean(differences):+.2f}"
    if len(differences) == 1:
        return mean
    from scipy.stats import ttest_1samp

    low, high = ttest_1samp(differences, 0).confidence_interval(0.95)
    return f"{mean} ± {np.std(differences, ddof=1):.2f} {_interval((low, high))}"


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"[{ends[0]:+.1f}, {ends[1]:+.1f}]"


def _frontiers(pairs: Sequence[tuple[RunResult, RunResult]]) -> Iterator[str]:
    """The curves averaged over the seeds; the last column is the range of overall accuracy that both reach."""
    for split, of_run in SPLITS.items():
        sides = [[metrics for pair in pairs if (metrics := of_run(pair[side])) is not None] for side in (0, 1)]
        for views, read in VIEWS.items():
            gain = frontier_gain(*(mean_curve([read(metrics) for metrics in side]) for side in sides))
            if gain is not None:
                yield f"| {split}, {views} | {100 * gain.average:+.2f} | {100 * gain.smallest:+.2f} | {100 * gain.width:.1f} |"
