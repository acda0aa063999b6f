"""Trials: runs with other constants, arithmetic or length than in the tables; constants were chosen and causes told apart by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from model.measuring.results import RunResult, SplitMetrics
from model.methods.settings import usual_settings
from model.tables.layout import METHOD_TITLES, Group, Row, Table, Value, by_protocol, flip_consistency_over_runs, over_runs
from model.training.protocol import Protocol


def trials_table(trials: Sequence[RunResult], protocol: Protocol) -> Table:
    """Every trial by imbalance, length and method; trials that differ in the seed alone share a row.

    Args:
        trials: the runs.
        protocol: what the tables' runs share; a row says what it has otherwise.
    """
    groups = []
    for title, of_protocol in by_protocol(trials).items():
        for epochs in sorted({trial.epochs for trial in of_protocol}):
            rows: dict[str, list[RunResult]] = {}
            for trial in sorted(of_protocol, key=lambda trial: list(METHOD_TITLES).index(trial.method)):
                if trial.epochs == epochs:
                    rows.setdefault(_label(trial, protocol), []).append(trial)
            groups.append(Group(f"{title}: {epochs} epochs", tuple(_row(label, alike) for label, alike in rows.items())))
    return Table(
        name="Trials",
        title="Runs with other constants or arithmetic, or of another length, accuracy in per cent. Not in the paper's tables",
        columns=("valid overall", "valid mean", "valid macro AP", "test overall", "test mean", "test flip consistency", "seeds"),
        groups=tuple(groups),
        notes=(
            "A row names what is not as in the tables; all else is, the constants of the method included.",
            "A row as long as the tables' runs that names its arithmetic alone is one of those runs made again in it.",
            "Constants were chosen by the validation split. ±: standard deviation over seeds.",
        ),
    )


def _label(trial: RunResult, protocol: Protocol) -> str:
    """The method, what is not as in the tables, and the arithmetic where it is float32 or where nothing else differs."""
    usual = {**asdict(protocol), **usual_settings(trial.method), "epochs": trial.epochs}
    chosen = {**asdict(Protocol.of(trial)), **trial.settings}
    others = [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in chosen.items() if value != usual[name]
    ]
    teachers = trial.hyperparameters.get("teachers")
    if isinstance(teachers, dict):
        others += [f"teacher {name} {str(sha256)[:7]}" for name, sha256 in teachers.items()]
    again = not others and trial.epochs == protocol.epochs
    precision = ["float32"] if trial.hyperparameters["precision"] == "32-true" else ["bfloat16"] if again else []
    return ", ".join([METHOD_TITLES[trial.method], *others, *precision])


def _row(label: str, trials: Sequence[RunResult]) -> Row:
    validated = [trial.valid for trial in trials if trial.valid is not None]
    tests = [trial.test for trial in trials]
    values = (
        *(_accuracies(validated) if validated else (None, None)),
        over_runs([100 * split.macro_average_precision for split in validated]) if validated else None,
        *_accuracies(tests),
        flip_consistency_over_runs(tests),
        Value(len(trials), decimals=0),
    )
    return Row(label, "here", values)


def _accuracies(splits: Sequence[SplitMetrics]) -> tuple[Value, Value]:
    return over_runs([100 * split.overall for split in splits]), over_runs([100 * split.mean for split in splits])
