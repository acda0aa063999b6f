"""Draws which room imports which into docs/architecture.md, from the source alone: ``make architecture``.

A room is a folder of a package, or a file that stands in none. Every import counts, also one inside a function or for types alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("app", "model")
BEGIN, END = "<!-- drawn by make architecture -->\n", "<!-- end of the drawing -->\n"

Arrows = Mapping[str, frozenset[str]]  # room, as package.room -> the rooms it imports


def room_arrows(root: Path) -> dict[str, frozenset[str]]:
    """The rooms of both packages under a folder, each with the other rooms it imports."""
    imported: dict[str, set[str]] = {}
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            inside = file.relative_to(root).with_suffix("").parts
            if len(inside) == 2 and inside[1] == "__init__":
                continue
            imported.setdefault(".".join(inside[:2]), set()).update(_imported_rooms(file))
    return {room: frozenset(names & imported.keys() - {room}) for room, names in imported.items()}


def _imported_rooms(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (".".join(name.split(".")[:2]) for name in names)


def reachable(arrows: Arrows) -> dict[str, frozenset[str]]:
    """Each room with all it needs, directly or through others, and itself."""
    reached = {room: {room} for room in arrows}
    for _ in arrows:
        for room, names in arrows.items():
            reached[room] |= {further for name in names for further in reached[name]}
    return {room: frozenset(names) for room, names in reached.items()}


def floors(arrows: Arrows) -> dict[str, int]:
    """Each room's floor: one above the highest it imports, from 1 up; rooms that import each other share one."""
    reached = reachable(arrows)
    floor: dict[str, int] = {}
    for room in sorted(arrows, key=lambda name: len(reached[name])):
        below = [floor[name] + (room not in reached[name]) for name in reached[room] if name in floor]
        floor[room] = max(below, default=1)
    return floor


def needed_arrows(arrows: Arrows) -> list[tuple[str, str]]:
    """The arrows without those that a way through a third room says already."""
    reached = reachable(arrows)

    def said_already(room: str, name: str) -> bool:
        return any(name in reached[way] and way not in reached[name] and room not in reached[way] for way in arrows[room] - {name})

    return [(room, name) for room in arrows for name in sorted(arrows[room]) if not said_already(room, name)]


def drawing(root: Path) -> str:
    """Both packages as Mermaid flowcharts, importing rooms above imported ones, with their numbers."""
    arrows = room_arrows(root)
    return "\n".join(_package(root, package, arrows) for package in PACKAGES)


def _package(root: Path, package: str, all_arrows: Arrows) -> str:
    own = {room: all_arrows[room] for room in all_arrows if room.startswith(f"{package}.")}
    arrows = {room: frozenset(names & own.keys()) for room, names in own.items()}
    count, height = sum(map(len, arrows.values())), max(floors(arrows).values(), default=0)
    boxes = [f'    {_box(room)}["{_title(root, room)}"]' for room in arrows]
    lines = [f"    {_box(room)} --> {_box(name)}" for room, name in needed_arrows(arrows)]
    head = f"**{package}/**: {len(arrows)} rooms on {height} floors, {count} arrows."
    return "\n".join([head, "", "```mermaid", "flowchart TB", *boxes, *lines, "```", ""])


def _box(room: str) -> str:
    return room.replace(".", "_")  # never one of Mermaid's own words, such as end


def _title(root: Path, room: str) -> str:
    name = room.partition(".")[2]
    return f"{name}/" if (root / room.replace(".", "/")).is_dir() else name


def with_drawing(page: str, root: Path) -> str:
    """The page's text with the drawing between its two marks made anew.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page needs the lines {BEGIN.strip()} and {END.strip()}")
    return before + begin + drawing(root) + end + after


if __name__ == "__main__":
    PAGE.write_text(with_drawing(PAGE.read_text(encoding="utf-8"), ROOT), encoding="utf-8")
