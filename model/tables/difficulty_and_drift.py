"""Two statements of the supplement's section 1 as numbers: that a class's difficulty does not follow its count, and that SCN and SOFT drift
towards the major classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from model.expressions import EXPRESSIONS, MINOR_CLASSES
from model.measuring.results import RunResult
from model.tables.layout import METHOD_TITLES, Group, Row, Table, Value, by_protocol, over_runs


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's correlation: Pearson's of the ranks, equal values sharing their mean rank; NaN where one sequence is constant."""
    if min(len(set(first)), len(set(second))) < 2:
        return math.nan
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    each = np.array(values)
    return np.asarray((each[:, None] > each).sum(1) + ((each[:, None] == each).sum(1) + 1) / 2)


def pairs_out_of_order(counts: Sequence[int], accuracies: Sequence[float]) -> int:
    """Pairs of classes of which the one with more training faces is the less accurate."""
    pairs = combinations(zip(counts, accuracies, strict=True), 2)
    return sum((n - m) * (a - b) < 0 for (n, a), (m, b) in pairs)


def predicted_share(result: RunResult, expression: str) -> float:
    """Test faces predicted as a class, for each face labelled so: above 1 the predictions drift towards it."""
    index = EXPRESSIONS.index(expression)
    return sum(row[index] for row in result.test.confusion) / sum(result.test.confusion[index])


def difficulty_table(results: Sequence[RunResult]) -> Table:
    """For every protocol and method: how far class accuracy follows class count, and which classes are predicted too often."""
    groups = []
    for title, runs in by_protocol(results).items():
        methods = [method for method in METHOD_TITLES if any(run.method == method for run in runs)]
        rows = tuple(_difficulty_row(method, [run for run in runs if run.method == method]) for method in methods)
        groups.append(Group(title, rows))
    return Table(
        name="Difficulty and drift",
        title="Does accuracy follow count, and do predictions drift to the frequent classes? Not in the paper's tables",
        columns=("Spearman r", "out of order", *(f"{name} per face" for name in EXPRESSIONS)),
        groups=tuple(groups),
        notes=(
            "Spearman r: rank correlation of training faces and test accuracy over the seven classes; 1 if accuracy follows count.",
            "Out of order: of the 21 pairs of classes, those whose more frequent class is the less accurate.",
            "Per face: test faces predicted as the class for each test face labelled so; below 1 the class is predicted too seldom.",
        ),
    )


def relabelling_table(results: Sequence[RunResult]) -> Table:
    """What SCN did to the training labels, at the end of every run of it."""
    runs = [result for result in results if result.method == "scn" and result.learning_curve and "to_frequent" in result.learning_curve[-1]]
    return Table(
        name="SCN's labels",
        title="Training labels that SCN changed by the end of a run. Not in the paper's tables",
        columns=(
            "faces",
            "to a more frequent class",
            "to a rarer class",
            *(f"{name} {when}" for name in MINOR_CLASSES for when in ("before", "after")),
        ),
        groups=tuple(Group(title, tuple(map(_relabelling_row, of_protocol))) for title, of_protocol in by_protocol(runs).items()),
        notes=("A label counts by where it is at the end of the run against where it was at the start.",),
    )


def _difficulty_row(method: str, runs: Sequence[RunResult]) -> Row:
    counts = [[run.training_counts[name] for name in EXPRESSIONS] for run in runs]
    accuracies = [[run.test.per_class[name] for name in EXPRESSIONS] for run in runs]
    correlations = [rank_correlation(n, a) for n, a in zip(counts, accuracies, strict=True)]
    defined = [value for value in correlations if not math.isnan(value)]
    disorder = over_runs([float(pairs_out_of_order(n, a)) for n, a in zip(counts, accuracies, strict=True)], decimals=1)
    shares = [over_runs([predicted_share(run, name) for run in runs]) for name in EXPRESSIONS]
    return Row(METHOD_TITLES[method], "here", (over_runs(defined) if defined else None, disorder, *shares))


def _relabelling_row(result: RunResult) -> Row:
    last = result.learning_curve[-1]
    minor = [value for name in MINOR_CLASSES for value in (result.training_counts[name], last[f"labelled_{name}"])]
    values = [sum(result.training_counts.values()), last["to_frequent"], last["to_rare"], *minor]
    return Row(f"seed {result.seed}", "here", tuple(Value(float(str(value)), decimals=0) for value in values))
