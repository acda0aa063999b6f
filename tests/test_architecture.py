"""The page on the architecture draws the imports as they are, and says what every room is for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.draw_architecture import PACKAGES, PAGE, ROOT, drawing, floors, needed_arrows, room_arrows, with_drawing


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_drawing_is_that_of_the_imports() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_drawing(page, ROOT), "run make architecture"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_page_says_what_every_room_is_for(package: str) -> None:
    section = PAGE.read_text(encoding="utf-8").partition(f"## Rooms of {package}/\n")[2].partition("\n## ")[0]
    said = re.findall(r"^\| `(\w+)/?` \| \S", section, re.MULTILINE)
    assert sorted(said) == sorted(room.partition(".")[2] for room in room_arrows(ROOT) if room.startswith(f"{package}."))


def test_every_form_of_import_is_an_arrow_between_rooms(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app/__init__.py": "import model.maps",
            "app/main.py": "import os\nfrom app import errors, pages as shown\nfrom app.http.wire import Wire",
            "app/errors.py": "",
            "app/http/wire.py": "from app.http import other\ndef f():\n    import model.maps.measures as m",
            "app/http/other.py": "if TYPE_CHECKING:\n    from app.errors import Problem",
            "app/pages/__init__.py": "",
            "model/maps/measures.py": "from app.elsewhere import nothing",
        },
    )
    assert room_arrows(tmp_path) == {
        "app.errors": frozenset(),
        "app.http": frozenset({"app.errors", "model.maps"}),
        "app.main": frozenset({"app.errors", "app.http", "app.pages"}),
        "app.pages": frozenset(),
        "model.maps": frozenset(),
    }


def test_only_arrows_that_no_longer_way_says_are_drawn() -> None:
    arrows = {"a": frozenset("bcd"), "b": frozenset("c"), "c": frozenset(), "d": frozenset()}
    assert needed_arrows(arrows) == [("a", "b"), ("a", "d"), ("b", "c")]
    assert floors(arrows) == {"a": 3, "b": 2, "c": 1, "d": 1}


def test_rooms_that_import_each_other_share_a_floor_and_keep_their_arrows() -> None:
    arrows = {"a": frozenset("b"), "b": frozenset("cd"), "c": frozenset("bd"), "d": frozenset()}
    assert needed_arrows(arrows) == [("a", "b"), ("b", "c"), ("b", "d"), ("c", "b"), ("c", "d")]
    assert floors(arrows) == {"a": 3, "b": 2, "c": 2, "d": 1}


def test_the_drawing_counts_all_arrows(tmp_path: Path) -> None:
    write(tmp_path, {"app/a.py": "import app.b.x, app.c", "app/b/x.py": "import app.c", "app/c.py": "", "model/d.py": ""})
    assert drawing(tmp_path) == (
        "**app/**: 3 rooms on 3 floors, 3 arrows.\n\n```mermaid\nflowchart TB\n"
        '    app_a["a"]\n    app_b["b/"]\n    app_c["c"]\n    app_a --> app_b\n    app_b --> app_c\n```\n\n'
        '**model/**: 1 rooms on 1 floors, 0 arrows.\n\n```mermaid\nflowchart TB\n    model_d["d"]\n```\n'
    )


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="the page needs the lines"):
        with_drawing("# Architecture\n", ROOT)
