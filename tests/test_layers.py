"""Which room may import which: from the ground up, and never in a circle. Every import counts, also one inside a function or for types."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from docs.draw_architecture import PACKAGES, ROOT, room_arrows

# A room imports only rooms of the lines above its own.
LAYERS = {
    "app": (
        {"installation"},
        {"errors", "logs", "choices", "samples", "numbers", "priority"},
        {"metrics", "settings"},
        {"http", "decoding"},
        {"detection"},
        {"explaining", "auditing"},
        {"drawing"},
        {"api", "pages"},
        {"commands", "notebook"},  # what `unturned explain` writes is the API's JSON
        {"main"},
        {"server", "library"},
        {"cli"},
    ),
    "model": (
        {"errors"},
        {"files"},
        {"expressions", "geometry", "preprocessing", "networks", "classifier", "predictor", "onnx_session"},
        {"paper", "maps"},
        {"data"},
        {"methods"},
        {"measuring"},
        {"checkpoints"},  # their metadata have the measurements of a run
        {"reference"},
        {"importing"},
        {"training", "claims", "onnx", "auditing"},
        {"tables", "findings", "certifying"},
    ),
}
# Modules that are slow to import or large, and the only rooms that may.
ONLY_FROM = {
    "matplotlib": {"app/drawing"},
    "lightning_fabric": {"model/training"},
    "pytorch_grad_cam": {"app/explaining", "model/claims"},
    "ray": {"app/auditing"},
}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_imports_only_lower_ones(package: str) -> None:
    arrows = room_arrows(ROOT)
    lower: set[str] = set()
    for layer in LAYERS[package]:
        rooms = {f"{package}.{room}" for room in layer}
        upwards = {(room, name) for room in rooms & arrows.keys() for name in arrows[room] if name.startswith(f"{package}.")}
        assert {(room, name) for room, name in upwards if name not in lower} == set()
        lower |= rooms
    assert lower == {room for room in arrows if room.startswith(f"{package}.")}


def test_the_science_does_not_know_the_service() -> None:
    arrows = room_arrows(ROOT)
    assert {room for room in arrows if room.startswith("model.") and any(name.startswith("app.") for name in arrows[room])} == set()
    named = re.compile(r"\bapp[./]\w")  # nor by a module's name in a string, which no import shows
    assert [str(file) for file in _sources("model") if named.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("library", ONLY_FROM)
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    found = {
        "/".join(file.relative_to(ROOT).parts[:2])
        for file in chain.from_iterable(map(_sources, PACKAGES))
        if library in {name.partition(".")[0] for name in _imported(file)}
    }
    assert found == ONLY_FROM[library]


def _sources(package: str) -> Iterator[Path]:
    return (ROOT / package).rglob("*.py")


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
