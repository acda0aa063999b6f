"""The gallery: pictures in the public domain that a visitor can try the models on."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "static" / "samples"
MEDIA_TYPE = "image/jpeg"


@cache
def sample_index() -> dict[str, dict[str, str]]:
    """The gallery by id: file, title, alt, credit, licence and the crop that suits each picture."""
    return {sample["id"]: sample for sample in json.loads((FOLDER / "index.json").read_bytes())}


@cache
def sample_pictures() -> dict[str, bytes]:
    """The encoded pictures by id: what a client sends is a key here, never part of a path."""
    return {name: (FOLDER / about["file"]).read_bytes() for name, about in sample_index().items()}
