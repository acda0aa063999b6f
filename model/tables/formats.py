"""Tables as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from model.tables.layout import Table, Value

COMMAND_TITLE = "Not measured yet; DIR is the dataset's folder or zip:"
LATEX_TEMPLATE = "tables.tex.jinja"
PER_CENT_DECIMALS = 2  # with so many, the ends of an interval need only one; those of a fraction need its own


def format_value(value: Value | None) -> str:
    """A value as text, without its note; empty for None."""
    if value is None:
        return ""
    text = f"{value.number:.{value.decimals}f}"
    if value.spread is not None:
        return f"{text} ± {value.spread:.{value.decimals}f}"
    if value.interval is not None:
        digits = value.decimals if value.decimals > PER_CENT_DECIMALS else 1
        return f"{text} [{value.interval[0]:.{digits}f}, {value.interval[1]:.{digits}f}]"
    return text


def note_numbers(table: Table) -> dict[str, int]:
    """The notes of a table's values, numbered from 1 in the order they appear; a note said twice keeps its number."""
    values = (value for group in table.groups for row in group.rows for value in row.values)
    notes = dict.fromkeys(value.note for value in values if value is not None and value.note is not None)
    return {note: number for number, note in enumerate(notes, 1)}


def all_notes(table: Table) -> list[str]:
    """What stands under a table: the notes of its values with their numbers, then its own."""
    return [*(f"({number}) {note}" for note, number in note_numbers(table).items()), *table.notes]


def missing_commands(table: Table) -> list[str]:
    """The commands that would fill the rows that are empty."""
    return [row.command for group in table.groups for row in group.rows if row.command is not None]


def markdown(tables: Sequence[Table]) -> str:
    """All tables as one Markdown document."""
    head = "# The paper's tables, printed and measured\n\nMade by `unturned tables` from the result files; not to be edited.\n"
    return "\n".join([head, *(_markdown_table(table) for table in tables)])


def _markdown_table(table: Table) -> str:
    numbers = note_numbers(table)
    lines = [f"## {table.name}. {table.title}", ""]
    for group in table.groups:
        lines += [f"### {group.title}", ""]
        lines.append("| " + " | ".join(["", "source", *table.columns]) + " |")
        lines.append("|---|---|" + "---:|" * len(table.columns))
        lines += [
            "| " + " | ".join([row.label, row.source, *(_marked(value, numbers) for value in row.values)]) + " |" for row in group.rows
        ]
        lines.append("")
    lines += [f"- {note}" for note in all_notes(table)]
    commands = missing_commands(table)
    if commands:
        lines += ["", COMMAND_TITLE, "", "```", *commands, "```"]
    return "\n".join([*lines, ""])


def _marked(value: Value | None, numbers: dict[str, int]) -> str:
    mark = "" if value is None or value.note is None else f" ({numbers[value.note]})"
    return format_value(value) + mark


def latex(tables: Sequence[Table]) -> str:
    """All tables as LaTeX table environments (package booktabs)."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        line_statement_prefix="%%",
        autoescape=False,  # noqa: S701 - LaTeX, escaped by the filter ``tex``
    )
    environment.filters |= {
        "tex": _tex,
        "text": format_value,
        "note_numbers": note_numbers,
        "notes": all_notes,
        "commands": missing_commands,
    }
    return environment.get_template(LATEX_TEMPLATE).render(tables=tables, command_title=COMMAND_TITLE)


def _tex(text: str) -> str:
    escaped = text.replace("\\", r"\textbackslash ")
    for character in "&%$#_{}":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped.replace("^", r"\textasciicircum ").replace("±", r"$\pm$")


def comma_separated(tables: Sequence[Table]) -> str:
    """All tables as one CSV file, a line a value; numbers in full, empty where not measured."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["table", "group", "row", "source", "column", "value", "spread", "low", "high", "note", "command"])
    for table in tables:
        for group in table.groups:
            for row in group.rows:
                for column, value in zip(table.columns, row.values, strict=True):
                    writer.writerow([table.name, group.title, row.label, row.source, column, *_csv_value(value), row.command])
    return buffer.getvalue()


def _csv_value(value: Value | None) -> list[object]:
    if value is None:
        return [None] * 5
    low, high = value.interval or (None, None)
    return [value.number, value.spread, low, high, value.note]


FORMATS: dict[str, Callable[[Sequence[Table]], str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": comma_separated,
}
