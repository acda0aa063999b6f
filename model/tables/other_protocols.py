"""Runs under another protocol than the paper's tables, longer ones say: accuracy, distance from plain training, mirror, frontier, curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from model.expressions import EXPRESSIONS
from model.measuring.frontier import VIEWS, frontier_gain, mean_curve
from model.measuring.results import MirrorMetrics, ResultError, RunResult, SplitMetrics
from model.methods.settings import PLAIN, usual_settings, whole_settings
from model.tables.by_face import difference_table
from model.tables.by_seed import seeds_table
from model.tables.layout import (
    METHOD_TITLES,
    Group,
    Row,
    Table,
    Value,
    by_protocol,
    flip_consistency_over_runs,
    in_per_cent,
    over_runs,
    precision_notes,
)
from model.tables.learning_curve import learning_curve_table
from model.training.protocol import PAPER, PROTOCOLS, Protocol, is_the_papers

SPLITS: dict[str, Callable[[RunResult], SplitMetrics | None]] = {"validation": lambda run: run.valid, "test": lambda run: run.test}
OF_MAPS = ("own_symmetry", "other_faces", "own_mirror_found")
OF_ANSWERS = ("changed_answers", "total_variation")


def refuse_unlike_runs(folder: Path, runs: Sequence[RunResult]) -> None:
    """Hold the runs of a folder, one or more, against sharing a protocol, and those of a method its constants.

    Raises:
        ResultError: two of them do not; the message names both and what they differ in.
    """
    of_method: dict[str, RunResult] = {}
    for run in runs:
        like = of_method.setdefault(run.method, run)
        constants = _constants(like)
        others = [name for name, value in _constants(run).items() if value != constants.get(name)]
        _refuse_pair(folder, runs[0], run, list(Protocol.of(run).deviations(Protocol.of(runs[0]))))
        _refuse_pair(folder, like, run, others)


def _constants(run: RunResult) -> dict[str, object]:
    return {**whole_settings(run.method, run.settings), "teachers": run.hyperparameters.get("teachers")}


def _refuse_pair(folder: Path, one: RunResult, other: RunResult, differing: Sequence[str]) -> None:
    if differing:
        found = f"{one.file_name} and {other.file_name} differ in {', '.join(differing)}"
        raise ResultError(f"{folder}: {found}, so no table can have both: move one of them to a folder of its own")


def protocol_tables(runs: Sequence[RunResult]) -> list[Table]:
    """Tables of one run or more that share a protocol, those without a row left out."""
    return [table for table in _tables(runs, Protocol.of(runs[0])) if any(group.rows for group in table.groups)]


def _tables(runs: Sequence[RunResult], protocol: Protocol) -> list[Table]:
    title = _title(protocol)
    distances = [
        replace(table, name=f"{title}: {table.name[0].lower()}{table.name[1:]}") for table in (difference_table(runs), seeds_table(runs))
    ]
    return [
        _accuracy_table(runs, title, _choices(protocol)),
        *distances,
        _mirror_table(runs, title),
        _frontier_table(runs, title),
        learning_curve_table(runs, title),
    ]


def _title(protocol: Protocol) -> str:
    """The paper's protocol by name, with what is changed of it; another by all its choices."""
    if not is_the_papers(protocol):
        return _choices(protocol)
    return ", ".join(["The paper's protocol", *_named(protocol.deviations(PROTOCOLS[PAPER]))])


def _choices(protocol: Protocol) -> str:
    """All that is not as in the tables, the length first."""
    return ", ".join(_named({"epochs": protocol.epochs} | protocol.deviations()))


def _named(choices: Mapping[str, object]) -> list[str]:
    return [f"{value} epochs" if name == "epochs" else f"{name.replace('_', ' ')} {value}" for name, value in choices.items()]


def _accuracy_table(runs: Sequence[RunResult], protocol: str, choices: str) -> Table:
    def row(title: str, splits: Sequence[SplitMetrics]) -> Row:
        single = splits[0].intervals if len(splits) == 1 else None
        values = (
            *(over_runs([100 * split.per_class[name] for split in splits]) for name in EXPRESSIONS),
            over_runs([100 * split.overall for split in splits], interval=in_per_cent(single.overall) if single else None),
            over_runs([100 * split.mean for split in splits], interval=in_per_cent(single.mean) if single else None),
            over_runs([100 * split.macro_average_precision for split in splits]),
            Value(len(splits), decimals=0),
        )
        return Row(title, "here", values)

    return Table(
        name=protocol,
        title="Accuracy in per cent",
        columns=(*EXPRESSIONS, "overall", "mean", "macro AP", "seeds"),
        groups=_groups(runs, row),
        notes=(
            f"As in Table 3, but {choices}: not to be compared with rows of another protocol.",
            *_constants_notes(runs),
            *precision_notes(runs),
            "Brackets: 95% bootstrap interval over the faces of a single run; ±: standard deviation over seeds.",
        ),
    )


def _constants_notes(runs: Sequence[RunResult]) -> list[str]:
    """Which methods had other constants than usual."""
    notes: dict[str, None] = {}
    for run in runs:
        usual = usual_settings(run.method)
        others = [f"{name} {value}" for name, value in whole_settings(run.method, run.settings).items() if value != usual[name]]
        if others:
            notes[f"{METHOD_TITLES[run.method]}: {', '.join(others)}, not as in Tables 1 to 3."] = None
    return list(notes)


def _mirror_table(runs: Sequence[RunResult], protocol: str) -> Table:
    def row(title: str, splits: Sequence[SplitMetrics]) -> Row | None:
        mirrors = [split.mirror for split in splits if split.mirror is not None]
        doubles = [split.two_views for split in splits if split.two_views is not None]
        if not mirrors or not doubles:
            return None
        values = (
            flip_consistency_over_runs(splits),
            *(_mean(mirrors, name, 1) for name in OF_MAPS),
            _mean(mirrors, OF_ANSWERS[0], 100),
            _mean(mirrors, OF_ANSWERS[1], 1),
            over_runs([100 * double.overall for double in doubles]),
            over_runs([100 * double.mean for double in doubles]),
        )
        return Row(title, "here", values)

    return Table(
        name=f"{protocol}: the mirror",
        title="What flip consistency is to be read with",
        columns=(
            "flip consistency",
            "own symmetry",
            "other faces",
            "own mirror found",
            "changed answers, %",
            "total variation",
            "two views: overall",
            "two views: mean",
        ),
        groups=_groups(runs, row),
        notes=(
            "Flip consistency: a map's correlation with the mirror image's map. Own symmetry: with itself mirrored.",
            "Other faces: with the mirror image's map of another face of the same predicted class.",
            "Own mirror found: share of maps whose nearest among the mirror images' maps of 100 faces is their own; chance is .01.",
            "Two views: the logits of the face and of its mirror image averaged; accuracies in per cent.",
            "Brackets: 95% bootstrap interval over the faces; of other faces and own mirror found with each face's companions held fixed.",
        ),
    )


def _frontier_table(runs: Sequence[RunResult], protocol: str) -> Table:
    taus = sorted({point.tau for run in runs for point in run.test.frontier})

    def rows(method: str, splits: Sequence[SplitMetrics], plain: Sequence[SplitMetrics]) -> list[Row]:
        made = []
        for views, read in VIEWS.items():
            curves = [{point.tau: point for point in read(split)} for split in splits if read(split)]
            if curves:
                overall = [over_runs([100 * curve[tau].overall for curve in curves]) for tau in taus]
                mean = [over_runs([100 * curve[tau].mean for curve in curves]) for tau in taus]
                gain = None if splits is plain else frontier_gain(*(mean_curve([read(split) for split in of]) for of in (splits, plain)))
                gains = (None, None, None) if gain is None else [Value(100 * value) for value in gain]
                made.append(Row(f"{method}, {views}: overall", "here", (*overall, None, None, None)))
                made.append(Row(f"{method}, {views}: mean", "here", (*mean, *gains)))
        return made

    groups = []
    for title, of_method in _by_split(runs):
        plain = next((splits for method, splits in of_method if method == METHOD_TITLES[PLAIN]), [])
        groups.append(Group(title, tuple(row for method, splits in of_method for row in rows(method, splits, plain))))
    return Table(
        name=f"{protocol}: the frontier",
        title="Overall against mean accuracy, per cent, with tau times the log prior taken out of the logits",
        columns=(*(f"tau {tau:g}" for tau in taus), "above the baseline", "at least", "over"),
        groups=tuple(group for group in groups if group.rows),
        notes=(
            "Above the baseline: mean accuracy reached at an overall accuracy or better, less what the baseline reaches there.",
            "It is averaged over the overall accuracies that both reach; at least: the smallest such difference.",
            "Over: how many points of overall accuracy both reach.",
            "Curves are means over seeds: a method of fewer seeds than the baseline is held against the mean of all the baseline's.",
        ),
    )


def _groups(runs: Sequence[RunResult], row: Callable[[str, Sequence[SplitMetrics]], Row | None]) -> tuple[Group, ...]:
    groups = [
        Group(title, tuple(made for method, splits in of_method if (made := row(method, splits)) is not None))
        for title, of_method in _by_split(runs)
    ]
    return tuple(group for group in groups if group.rows)


def _by_split(runs: Sequence[RunResult]) -> list[tuple[str, list[tuple[str, list[SplitMetrics]]]]]:
    """For each set of training faces and each split its title, and the runs' figures by the method's title."""
    found = []
    for title, of_protocol in by_protocol(runs).items():
        for split, read in SPLITS.items():
            by_method = [
                (METHOD_TITLES[method], [figures for run in of_protocol if run.method == method and (figures := read(run)) is not None])
                for method in METHOD_TITLES
            ]
            found.append((f"{title}, {split} split", [(method, figures) for method, figures in by_method if figures]))
    return found


def _mean(mirrors: Sequence[MirrorMetrics], name: str, factor: float) -> Value | None:
    means = [getattr(mirror, name) for mirror in mirrors]
    values = [factor * mean.value for mean in means if mean.value is not None]
    if not values:
        return None
    decimals = 1 if factor > 1 else 3
    interval = means[0].interval if len(means) == 1 else None
    return over_runs(values, decimals, None if interval is None else (factor * interval[0], factor * interval[1]))
