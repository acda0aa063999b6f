"""Tables 1 to 5 as the paper lays them out, the printed numbers beside the ones measured here; built from committed result files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from model.data.protocols import ORIGINAL, decayed_counts
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.files.atomic_write import make_room, replace_file
from model.measuring.bootstrap import Interval
from model.measuring.results import Accuracies, RunResult, load_other_protocols, load_results, load_trials
from model.methods.settings import PLAIN
from model.paper import SUMMARIES, AccuracyTable, CountRow, CountTable, PaperRow, paper_tables
from model.tables.by_face import difference_table
from model.tables.by_seed import seeds_table
from model.tables.difficulty_and_drift import difficulty_table, relabelling_table
from model.tables.formats import FORMATS
from model.tables.layout import (
    METHOD_TITLES,
    Group,
    Row,
    Table,
    Value,
    flip_consistency_over_runs,
    in_per_cent,
    over_runs,
    precision_notes,
    protocol_title,
)
from model.tables.other_protocols import protocol_tables, refuse_unlike_runs
from model.tables.trials import trials_table
from model.training.protocol import Protocol
from model.training.runs import BEYOND_THE_PAPER, TableCell

BEYOND_NOTES = {
    "baseline": "Baseline: plain training, which the printed table does not have; what a method is worth is its distance from it.",
    "mek_sf": (
        "MEK, scale-free: this project's variant. Its consistency term cannot be lowered by shrinking a map, and logit adjustment "
        "in training stands in place of the smooth labels."
    ),
    "cac": (
        "Contrastive consistency: this project's method. The maps of a face must agree with those of its mirror image and with no other "
        "face's, and logit adjustment in training stands in place of the smooth labels."
    ),
    "votes": (
        "Votes: learns from all expressions with two votes or more, on the faces with a majority label; more supervision than any row "
        "of the paper has."
    ),
    "mek_votes": "MEK with votes: MEK whose smoothed targets start from the annotators' votes; more supervision, too.",
}
ADJUSTED_NOTE = (
    "Logits with the training prior taken out after training (logit adjustment, Menon et al., ICLR 2021): logits - tau log prior. "
    "The same trained networks as in the rows without tau, no training of their own. It comes on top of what a method does about the "
    "prior itself: MEK, scale-free, and contrastive consistency have trained with tau 0.3, CB and BBN weight the classes, and SCN's prior "
    "is that of the labels it started from."
)


def build_tables(results: Sequence[RunResult], protocol: Protocol, trials: Sequence[RunResult] = ()) -> list[Table]:
    """Tables 1 to 5, and five more: the methods' distance from plain training, by face and by seed, what the supplement says in words, and
    the trials.

    Args:
        results: every run; those of another protocol are left out, and the table says so.
        protocol: what all rows share.
        trials: runs that no row is to have, for a table of their own.
    """
    paper = paper_tables()
    accuracy = [_accuracy_table(table, results, protocol) for table in paper.accuracy_tables]
    used = [result for result in results if protocol.matches(result)]
    counts = [_count_table(table, used, protocol) for table in paper.count_tables]
    measured = (difference_table(used), seeds_table(used), difficulty_table(used), relabelling_table(used), trials_table(trials, protocol))
    return accuracy + counts + [table for table in measured if any(group.rows for group in table.groups)]


def prevailing_protocol(results: Sequence[RunResult]) -> Protocol:
    """The protocol of most of the runs; the default one where there is none."""
    counted = Counter(Protocol.of(run) for run in results)
    return counted.most_common(1)[0][0] if counted else Protocol()


def tables_of_folder(results: Path) -> list[Table]:
    """Every table of a folder of results: those of the paper, and those of the runs under other protocols in the folders within.

    Raises:
        ResultError: a result file is damaged, or a folder within holds runs that are not alike.
    """
    runs = load_results(results)
    tables = build_tables(runs, prevailing_protocol(runs), load_trials(results))
    for folder, of_one in load_other_protocols(results).items():
        refuse_unlike_runs(folder, of_one)
        tables += protocol_tables(of_one)
    return tables


def run_tables(results: Path, form: str = "markdown", out: Path | None = None) -> int:
    """``unturned tables``: print the tables, or write them to a file.

    Args:
        results: folder of the result files.
        form: a key of ``formats.FORMATS``.
        out: file to write; standard output by default.

    Raises:
        InputError: there is no such folder, its results cannot be used, or ``out`` cannot be written.
        ValueError: unknown format.
    """
    if form not in FORMATS:
        raise ValueError(f"unknown format {form!r}: choose one of {', '.join(FORMATS)}")
    if not results.is_dir():
        raise InputError(f"{results}: no such folder of result files")
    text = FORMATS[form](tables_of_folder(results))
    if out is None:
        print(text, end="")
    else:
        make_room(out)
        replace_file(out, text.encode())
    return 0


def _accuracy_table(table: AccuracyTable, results: Sequence[RunResult], protocol: Protocol) -> Table:
    beyond = BEYOND_THE_PAPER[table.number]
    cells = {(section.imbalance, method) for section in table.sections for method in (*(row.method for row in section.rows), *beyond)}
    of_table = [result for result in results if result.dataset == table.dataset and (result.imbalance, result.method) in cells]
    used = [result for result in of_table if protocol.matches(result)]
    groups: list[Group] = []
    for section in table.sections:
        title = protocol_title(section.imbalance).capitalize()
        runs = [result for result in used if result.imbalance == section.imbalance]

        def here(method: str, imbalance: str = section.imbalance, runs: list[RunResult] = runs) -> Row:
            return _measured_row(table, method, imbalance, [run for run in runs if run.method == method], protocol)

        paper_rows = [row for printed in section.rows for row in (_paper_row(table, printed), here(printed.method))]
        groups.append(Group(title, tuple(paper_rows)))
        groups.append(Group(f"{title}: beyond the paper", tuple(here(method) for method in beyond)))
        adjusted = _adjusted_rows(table, [*(row.method for row in section.rows), *beyond], runs)
        groups.append(Group(f"{title}: prior taken out after training", adjusted))
    columns = (*table.columns, "macro AP", "flip consistency", "seeds")
    return Table(
        name=f"Table {table.number}",
        title=f"{table.title}: accuracy in per cent on the test split",
        columns=columns,
        groups=tuple(group for group in groups if group.rows),
        notes=_accuracy_notes(table, protocol, used, len(of_table) - len(used)),
    )


def _accuracy_notes(table: AccuracyTable, protocol: Protocol, used: Sequence[RunResult], left_out: int) -> tuple[str, ...]:
    faces = ", ".join(f"{name} {count}" for name, count in zip(table.classes, table.test_faces, strict=True))
    notes = [
        f"Test faces: {faces}. Mean is the unweighted mean of the seven classes.",
        "Brackets: 95% bootstrap interval over the test faces of a single run; ±: standard deviation over seeds.",
        "Macro AP: macro average precision, in per cent. Flip consistency: the mean over the classes.",
        f"Here: {protocol.network} at {protocol.input_size} px, {protocol.epochs} epochs, batch {protocol.batch}; in the paper: ResNet-18.",
        *(BEYOND_NOTES[method] for method in BEYOND_THE_PAPER[table.number]),
        *([ADJUSTED_NOTE] if any(run.test.logit_adjusted for run in used) else []),
        *table.notes,
        *precision_notes(used),
    ]
    if left_out:
        notes.append(f"{left_out} recorded runs of another protocol, length say, or other constants are not shown.")
    return tuple(notes)


def _paper_row(table: AccuracyTable, printed: PaperRow) -> Row:
    values = [Value(value, note=printed.flags.get(column)) for column, value in zip(table.columns, printed.values, strict=True)]
    return Row(METHOD_TITLES[printed.method], "paper", (*values, None, None, None))


def _measured_row(table: AccuracyTable, method: str, imbalance: str, runs: list[RunResult], protocol: Protocol) -> Row:
    label = METHOD_TITLES[method]
    if not runs:
        command = TableCell(method, table.dataset, imbalance, 1).command("DIR", protocol)
        return Row(label, "here", (None,) * (len(table.columns) + 3), command)
    tests = [run.test for run in runs]
    intervals = {name: in_per_cent(getattr(tests[0].intervals, name)) for name in SUMMARIES} if len(runs) == 1 else {}
    values = _accuracy_values(table, tests, intervals)
    precision = over_runs([100 * test.macro_average_precision for test in tests])
    return Row(label, "here", (*values, precision, flip_consistency_over_runs(tests), Value(len(runs), decimals=0)))


def _adjusted_rows(table: AccuracyTable, methods: Sequence[str], runs: Sequence[RunResult]) -> tuple[Row, ...]:
    rows = []
    for method in methods:
        of_method = [run.test.logit_adjusted for run in runs if run.method == method]
        for tau in sorted(of_method[0]) if of_method else ():
            values = _accuracy_values(table, [adjusted[tau] for adjusted in of_method if tau in adjusted], {})
            count = Value(len(of_method), decimals=0)
            rows.append(Row(f"{METHOD_TITLES[method]}, tau {tau}", "here", (*values, None, None, count)))
    return tuple(rows)


def _accuracy_values(table: AccuracyTable, measured: Sequence[Accuracies], intervals: dict[str, Interval]) -> list[Value]:
    columns: list[tuple[str, Callable[[Accuracies], float]]] = [
        *((name, lambda accuracies, name=name: accuracies.per_class[name]) for name in table.classes),
        ("overall", lambda accuracies: accuracies.overall),
        ("mean", lambda accuracies: accuracies.mean),
    ]
    return [over_runs([100 * read(accuracies) for accuracies in measured], interval=intervals.get(name)) for name, read in columns]


def _count_table(table: CountTable, results: Sequence[RunResult], protocol: Protocol) -> Table:
    original = table.rows[0].counts
    groups = []
    for row in table.rows:
        recorded = next((r for r in results if r.dataset == table.dataset and r.imbalance == row.imbalance), None)
        rows = [Row("printed", "paper", _counts(row.counts, row.total, row.flags, table))]
        if row.mu is not None:
            by_rule = decayed_counts(original, row.mu)
            rows.append(Row(f"round(n mu^l), mu {row.mu:g}", "rule", _counts(by_rule, sum(by_rule), {}, table)))
        rows.append(_recorded_counts(table, row, recorded, protocol))
        groups.append(Group(protocol_title(row.imbalance).capitalize(), tuple(rows)))
    return Table(f"Table {table.number}", table.title, (*table.classes, "total"), tuple(groups))


def _recorded_counts(table: CountTable, row: CountRow, recorded: RunResult | None, protocol: Protocol) -> Row:
    if recorded is None:
        method = PLAIN if row.imbalance == ORIGINAL else "mek"  # of the runs that an accuracy table has, too
        command = TableCell(method, table.dataset, row.imbalance, 1).command("DIR", protocol)
        return Row("trained on", "here", (None,) * (len(EXPRESSIONS) + 1), command)
    counts = tuple(recorded.training_counts[name] for name in table.classes)
    return Row("trained on", "here", _counts(counts, sum(counts), {}, table))


def _counts(counts: tuple[int, ...], total: int, flags: dict[str, str], table: CountTable) -> tuple[Value, ...]:
    named = zip((*table.classes, "total"), (*counts, total), strict=True)
    return tuple(Value(count, decimals=0, note=flags.get(name)) for name, count in named)
