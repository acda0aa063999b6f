"""The page of the paper's tables, the printed numbers beside those measured here."""

from __future__ import annotations

import asyncio
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.errors import unusable_file
from app.explaining.service import service_of
from app.pages.curve_plot import curve_plots
from app.pages.models import SUMMARIES
from app.pages.templating import PageRoute, render
from model.measuring.results import RESULTS_FOLDER, ResultError
from model.tables.layout import METHOD_TITLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from model.tables.layout import Table, Value

Found = TypeVar("Found")
Files: TypeAlias = "tuple[tuple[Path, int], ...]"

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_READING = threading.Lock()


@router.get("/results")
async def results(request: Request) -> Response:
    """Tables 1 to 5, the paper's numbers beside ours."""
    tables, runs = await of_results(service_of(request).settings.checkpoint_dir, _tables)
    return render(request, "results.html", {"section": "/results", "tables": tables, "runs": runs, "methods": _methods()})


def _methods() -> list[tuple[str, str]]:
    """The methods as the tables name them, and what each is."""
    return [(title, SUMMARIES[method]) for method, title in METHOD_TITLES.items()]


async def of_results(checkpoint_dir: Path, read: Callable[[Path, Files], Found]) -> Found:
    """What ``read`` makes of the folder of results and its files, each with the time of its last change.

    Never on the event loop: it reads every result file.

    Raises:
        Problem: ``internal_error`` for a result file that cannot be used.
    """
    return await asyncio.to_thread(_of_results, checkpoint_dir, read)


def _of_results(checkpoint_dir: Path, read: Callable[[Path, Files], Found]) -> Found:
    folder = checkpoint_dir / RESULTS_FOLDER
    files = tuple((path, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*.json")))
    try:
        with _READING:  # else first visitors at once would each compute the same, which takes seconds
            return read(folder, files)
    except ResultError as error:
        remedy = "Restore it, or remove it: its run then counts as not measured."
        raise unusable_file(error, folder, "A file of the results cannot be used.", remedy) from error


@lru_cache(maxsize=1)
def _tables(folder: Path, files: Files) -> tuple[list[dict[str, Any]], int]:
    """The tables of a folder of results, and of how many runs; made again when its files, or the times of their last change, are others."""
    from model.tables.tables import tables_of_folder

    ordered = sorted(tables_of_folder(folder), key=_missing_share)  # stable: in the paper's order otherwise
    shown = [_shown(table, f"table-{number}") for number, table in enumerate(ordered, 1)]
    return shown, sum(path.parent == folder for path, _ in files)


def _missing_share(table: Table) -> float:
    """The part of a table's own rows that was not measured yet."""
    from model.tables.formats import missing_commands

    own = [row for group in table.groups for row in group.rows if row.source == "here"]
    return len(missing_commands(table)) / max(len(own), 1)


def _shown(table: Table, anchor: str) -> dict[str, Any]:
    """A table for the template: rows without a number are left out of the groups, their commands apart."""
    from model.tables.formats import all_notes, missing_commands, note_numbers

    numbers = note_numbers(table)
    measured = [(group.title, [row for row in group.rows if row.command is None]) for group in table.groups]
    return {
        "anchor": anchor,
        "name": table.name,
        "title": table.title,
        "columns": table.columns,
        "groups": [(title, [(row, [_cell(value, numbers) for value in row.values]) for row in rows]) for title, rows in measured if rows],
        "plots": [(group.title, curve_plots(group.curves)) for group in table.groups if group.curves],
        "notes": all_notes(table),
        "missing": missing_commands(table),
    }


def _cell(value: Value | None, numbers: dict[str, int]) -> tuple[str, int | None]:
    """A value's text and the number of its note, if it has one."""
    from model.tables.formats import format_value

    return format_value(value).replace("-", "−"), None if value is None or value.note is None else numbers[value.note]
