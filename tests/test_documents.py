"""Every link in the documents leads to a file and a heading that are there; every name in CONTRIBUTING is in the file it names."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def documents() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def anchors(document: Path) -> set[str]:
    """The addresses of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    broken = []
    for path, anchor in LINK.findall(document.read_text(encoding="utf-8")):
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}" if anchor else path)
    assert broken == []


def steps_of_contributing() -> list[tuple[list[str], list[str]]]:
    """Of each step that names files of Python: their paths, and the names that it says are in them."""
    parts = re.split(r"\n(?=\d\. )|\n\n", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    steps = [(re.findall(r"`((?:\w+/)+\w+\.py)`", part), re.findall(r"\bin (?:both )?`(\w+)`", part)) for part in parts]
    return [([path for path in paths if "NAME" not in path], names) for paths, names in steps]


def test_contributing_names_what_is_there() -> None:
    steps = [(paths, names) for paths, names in steps_of_contributing() if paths]
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for paths, _ in steps for path in paths}
    assert {"_OF_METHODS", "pretrained_classifier", "PAGES"} <= {name for _, names in steps for name in names}
    assert [name for paths, names in steps for name in names if not any(re.search(rf"\b{name}\b", texts[path]) for path in paths)] == []
