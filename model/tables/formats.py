"""Tables as Markdown, HTML, LaTeX and CSV."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Sequence

from model.tables.layout import Row, Table, Value

COMMAND_TITLE = "Not measured yet; DIR is the dataset's folder or zip:"


def format_value(value: Value | None) -> str:
    """A value as text, without its note; empty for None."""
    if value is None:
        return ""
    text = f"{value.number:.{value.decimals}f}"
    if value.spread is not None:
        return f"{text} ± {value.spread:.{value.decimals}f}"
    if value.interval is not None:
        return f"{text} [{value.interval[0]:.1f}, {value.interval[1]:.1f}]"
    return text


def markdown(tables: Sequence[Table]) -> str:
    """All tables as one Markdown document."""
    head = "# The paper's tables, printed and measured\n\nMade by `unturned tables` from the result files; not to be edited.\n"
    return "\n".join([head, *(_markdown_table(table) for table in tables)])


def _markdown_table(table: Table) -> str:
    marks = _Marks()
    lines = [f"## {table.name}. {table.title}", ""]
    for group in table.groups:
        lines += [f"### {group.title}", ""]
        lines.append("| " + " | ".join(["", "source", *table.columns]) + " |")
        lines.append("|---|---|" + "---:|" * len(table.columns))
        for row in group.rows:
            cells = [format_value(value) + marks.mark(value) for value in row.values]
            lines.append("| " + " | ".join([row.label, row.source, *cells]) + " |")
        lines.append("")
    lines += [f"- {note}" for note in (*marks.notes, *table.notes)]
    commands = _commands(table)
    if commands:
        lines += ["", COMMAND_TITLE, "", "```", *commands, "```"]
    return "\n".join([*lines, ""])


def html_document(tables: Sequence[Table]) -> str:
    """All tables as HTML sections, without head or style, to be put into a page."""
    return "\n".join(html_table(table) for table in tables)


def html_table(table: Table) -> str:
    """One table as a section; an unmeasured row shows the command that would fill it."""
    marks = _Marks()
    escape = html.escape
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in ("method", "source", *table.columns))
    lines = [
        "<section>",
        f"<h2>{escape(table.name)}. {escape(table.title)}</h2>",
        '<div class="scroll" tabindex="0" role="region" aria-label="' + escape(table.name) + '"><table>',
        f"<thead><tr>{head}</tr></thead>",
    ]
    for group in table.groups:
        lines.append(f'<tbody><tr><th scope="rowgroup" colspan="{len(table.columns) + 2}">{escape(group.title)}</th></tr>')
        lines += [_html_row(row, len(table.columns), marks) for row in group.rows]
        lines.append("</tbody>")
    lines.append("</table></div>")
    lines += ["<ul>", *(f"<li>{escape(note)}</li>" for note in (*marks.notes, *table.notes)), "</ul>", "</section>", ""]
    return "\n".join(lines)


def _html_row(row: Row, columns: int, marks: _Marks) -> str:
    start = f'<tr class="{row.source}"><th scope="row">{html.escape(row.label)}</th><td>{row.source}</td>'
    if row.command is not None:
        command = f"<details><summary>not measured</summary><code>{html.escape(row.command)}</code></details>"
        return f'{start}<td colspan="{columns}">{command}</td></tr>'
    cells = "".join(f"<td>{format_value(value)}{marks.mark(value, '<sup>{}</sup>')}</td>" for value in row.values)
    return f"{start}{cells}</tr>"


def latex(tables: Sequence[Table]) -> str:
    """All tables as LaTeX table environments (package booktabs)."""
    return "\n".join(_latex_table(table) for table in tables)


def _latex_table(table: Table) -> str:
    marks = _Marks()
    width = len(table.columns) + 2
    lines = [
        r"\begin{table}",
        rf"\caption{{{_tex(table.title)}}}",
        rf"\begin{{tabular}}{{ll{'r' * len(table.columns)}}}",
        r"\toprule",
        " & ".join(["", "source", *map(_tex, table.columns)]) + r" \\",
    ]
    for group in table.groups:
        lines += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{{_tex(group.title)}}} \\"]
        for row in group.rows:
            cells = [_tex(format_value(value)) + marks.mark(value, r"\textsuperscript{{{}}}") for value in row.values]
            lines.append(" & ".join([_tex(row.label), row.source, *cells]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    items = [rf"\item {_tex(note)}" for note in (*marks.notes, *table.notes)]
    commands = _commands(table)
    if commands:
        items += [rf"\item {_tex(COMMAND_TITLE)}", r"\begin{verbatim}", *commands, r"\end{verbatim}"]
    if items:
        lines += [r"\begin{itemize}", *items, r"\end{itemize}"]
    return "\n".join([*lines, r"\end{table}", ""])


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


class _Marks:
    """Numbers the notes of a table's values in the order they appear; a note said twice keeps its number."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    def mark(self, value: Value | None, form: str = " ({})") -> str:
        if value is None or value.note is None:
            return ""
        if value.note not in self._notes:
            self._notes.append(value.note)
        return form.format(self._notes.index(value.note) + 1)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(f"({number}) {note}" for number, note in enumerate(self._notes, 1))


def _commands(table: Table) -> list[str]:
    return [row.command for group in table.groups for row in group.rows if row.command is not None]


def _tex(text: str) -> str:
    escaped = text.replace("\\", r"\textbackslash ")
    for character in "&%$#_{}":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped.replace("^", r"\textasciicircum ").replace("±", r"$\pm$")


FORMATS: dict[str, Callable[[Sequence[Table]], str]] = {
    "markdown": markdown,
    "html": html_document,
    "latex": latex,
    "csv": comma_separated,
}
