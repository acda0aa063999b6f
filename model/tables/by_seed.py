"""How much of a method's distance from plain training is the seed: the distance of every seed, and its spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model.measuring.results import Accuracies, RunResult
from model.methods.settings import PLAIN
from model.tables.layout import METHOD_TITLES, Group, Row, Table, by_protocol, over_runs

MEASURES = {"overall": "overall accuracy", "mean": "mean accuracy", "macro_average_precision": "macro average precision"}


def seeds_table(results: Sequence[RunResult]) -> Table:
    """Every method less plain training of the same seed, where two seeds or more have both; the plain logits without the prior, too."""
    seeds = sorted({run.seed for run in results})
    groups = []
    for title, runs in by_protocol(results).items():
        plain = {run.seed: run.test for run in runs if run.method == PLAIN}
        for measure, name in MEASURES.items():
            distances = {label: _distances(measured, plain, measure) for label, measured in _measured_by_row(runs).items()}
            rows = tuple(_row(label, of_seed, seeds) for label, of_seed in distances.items() if len(of_seed) > 1)
            groups.append(Group(f"{title}: {name}", rows))
    return Table(
        name="Distance from plain training by seed",
        title="How much of it is the seed? Not in the paper's tables",
        columns=(*(f"seed {seed}" for seed in seeds), "mean"),
        groups=tuple(group for group in groups if group.rows),
        notes=(
            "In points, less plain training of the same seed: from the same pretrained network, faces in the same order.",
            "±: standard deviation over the seeds. A 95% t interval reaches 9.0 times that to either side with two seeds, 2.5 with three.",
            "The spread is of the seeds alone: it knows nothing of other test faces.",
            "Baseline, tau: the plain network with tau log prior taken out of its logits after training.",
        ),
    )


def _measured_by_row(runs: Sequence[RunResult]) -> dict[str, dict[int, Accuracies]]:
    """What is set against plain training, by its row's label and by seed."""
    plain = [run for run in runs if run.method == PLAIN]
    rows: dict[str, dict[int, Accuracies]] = {}
    for tau in sorted({tau for run in plain for tau in run.test.logit_adjusted}):
        adjusted = {run.seed: run.test.logit_adjusted for run in plain}
        rows[f"{METHOD_TITLES[PLAIN]}, tau {tau}"] = {seed: by_tau[tau] for seed, by_tau in adjusted.items() if tau in by_tau}
    for method in METHOD_TITLES:
        if method != PLAIN:
            rows[METHOD_TITLES[method]] = {run.seed: run.test for run in runs if run.method == method}
    return rows


def _distances(measured: Mapping[int, Accuracies], plain: Mapping[int, Accuracies], measure: str) -> dict[int, float]:
    """Points by seed; none for logits without the prior where the measure was not taken of them."""
    both = {seed: (own, plain[seed]) for seed, own in measured.items() if seed in plain and hasattr(own, measure)}
    return {seed: 100 * (getattr(own, measure) - getattr(other, measure)) for seed, (own, other) in both.items()}


def _row(label: str, distances: Mapping[int, float], seeds: Sequence[int]) -> Row:
    each = [over_runs([distances[seed]]) if seed in distances else None for seed in seeds]
    return Row(label, "here", (*each, over_runs(list(distances.values()))))
