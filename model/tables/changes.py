"""What each method changes against plain training of its seed, in Table 3's setting: the paper's figures, and ours with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.data.protocols import ORIGINAL
from model.measuring.bootstrap import SEED, Floats, Labels
from model.measuring.results import RunResult, load_other_protocols, load_results
from model.methods.settings import PLAIN
from model.paper import SUMMARIES, paper_tables
from model.tables.by_face import Change, accuracy_changes
from model.tables.layout import METHOD_TITLES, paired_with_plain
from model.tables.tables import prevailing_protocol

TABLE = 3  # the one that is printed with plain training


@dataclass(frozen=True)
class MethodChanges:
    """A method's changes by measure, ``overall`` and ``mean``, averaged over ``seeds``; no seeds for a printed figure."""

    method: str
    changes: dict[str, Change]
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class LengthOfRun:
    """All that was measured in runs of one length, which are never set against those of another."""

    epochs: int
    methods: tuple[MethodChanges, ...]


def printed_changes() -> tuple[MethodChanges, ...]:
    """Each method of the printed table less its baseline."""
    table = paper_tables().accuracy_table(TABLE)
    rows = {row.method: dict(zip(table.columns, row.values, strict=True)) for section in table.sections for row in section.rows}
    plain = rows.pop(PLAIN)
    return tuple(MethodChanges(method, {name: Change(row[name] - plain[name]) for name in SUMMARIES}) for method, row in rows.items())


def measured_changes(results: Path) -> list[LengthOfRun]:
    """What a folder of results holds, then the folders within it; nothing of a set of runs without plain training.

    Raises:
        ResultError: a result file is damaged.
    """
    sets = [load_results(results), *load_other_protocols(results).values()]
    return [found for runs in sets if (found := changes_from_plain(runs)).methods]


def changes_from_plain(runs: Sequence[RunResult]) -> LengthOfRun:
    """Changes of every method that has a seed in common with plain training, both on the same draws of the test faces.

    Runs from before predictions were kept enter with their right answers in any order within each class: as if the two models erred
    independently, which makes the interval wider than it would be.
    """
    protocol = prevailing_protocol(runs)
    dataset = paper_tables().accuracy_table(TABLE).dataset
    used = [run for run in runs if (run.dataset, run.imbalance) == (dataset, ORIGINAL) and protocol.matches(run)]
    pairs = {method: paired_with_plain(used, method) for method in METHOD_TITLES if method != PLAIN}
    pairs = {method: of_method for method, of_method in pairs.items() if of_method}
    if not pairs:
        return LengthOfRun(protocol.epochs, ())
    labels = _labels(used)
    faces = _RightAnswers(labels)
    gains = np.stack(
        [np.mean([faces.of(own) - faces.of(plain) for own, plain in of_method], axis=0) for of_method in pairs.values()], axis=1
    )
    changes = zip(pairs.items(), accuracy_changes(gains, labels), strict=True)
    return LengthOfRun(
        protocol.epochs,
        tuple(MethodChanges(method, change, tuple(own.seed for own, _ in of_method)) for (method, of_method), change in changes),
    )


def _labels(runs: Sequence[RunResult]) -> Labels:
    """Labels (N,) of the test faces: in the data set's order where a run keeps it, else class after class."""
    for run in runs:
        if run.test_predictions is not None:
            return run.test_predictions.label_indices
    return np.repeat(np.arange(len(runs[0].test.confusion)), [sum(row) for row in runs[0].test.confusion])


class _RightAnswers:
    """Which test faces a run names right, worked out once a run."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._generator = np.random.default_rng(SEED)
        self._known: dict[tuple[str, int], Floats] = {}

    def of(self, run: RunResult) -> Floats:
        """(N,): 1 for a face named right."""
        key = (run.method, run.seed)
        if key not in self._known:
            self._known[key] = self._drawn(run) if run.test_predictions is None else run.test_predictions.right
        return self._known[key]

    def _drawn(self, run: RunResult) -> Floats:
        right = np.zeros(len(self._labels))
        for label, row in enumerate(run.test.confusion):
            right[self._generator.permutation(np.flatnonzero(self._labels == label))[: row[label]]] = 1.0
        return right
