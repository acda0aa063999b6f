"""The gallery: pictures in the public domain that a visitor can try the models on, and what there is to see on each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.installation import shipped_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = shipped_folder("static") / "samples"
MEDIA_TYPE = "image/jpeg"
STORIES_FILE = "stories.json"  # beside the checkpoints it was written for


@dataclass(frozen=True)
class Card:
    """One entry of the gallery: a picture, the settings to look at it with, and a caption.

    ``expression`` is the one shown first, "" for the one that changes most in the mirror; ``rule`` says how it was chosen, "" for the bare
    picture.
    """

    id: str
    file: str
    title: str
    alt: str
    credit: str
    licence: str
    crop: str
    caption: str
    expression: str = ""
    rule: str = ""

    @property
    def thumbnail(self) -> str:
        """Path of the small picture below the static files: 104x104, cut from the middle."""
        return f"samples/thumbs/{Path(self.file).stem}.webp"

    @property
    def picture(self) -> bytes:
        """The encoded picture."""
        return next(data for name, data in sample_pictures().items() if sample_index()[name]["file"] == self.file)


@dataclass(frozen=True)
class FaceCard:
    """One entry of the gallery that shows a test face, by its number, where the server has the data set."""

    face: int
    caption: str
    expression: str
    rule: str


@cache
def sample_index() -> dict[str, dict[str, str]]:
    """The gallery's pictures by id: file, title, alt, credit, licence and the crop that suits each."""
    return {sample["id"]: sample for sample in json.loads((FOLDER / "index.json").read_bytes())}


@cache
def sample_pictures() -> dict[str, bytes]:
    """The encoded pictures by id: what a client sends is a key here, never part of a path."""
    return {name: (FOLDER / about["file"]).read_bytes() for name, about in sample_index().items()}


def gallery(checkpoint_dir: Path, models: Mapping[str, str]) -> dict[str, Card]:
    """The cards by id, the one shown first in front: the stories that ``unturned stories`` wrote for these models, else the bare pictures.

    Args:
        checkpoint_dir: where the stories lie.
        models: sha256 of the checkpoints behind ``baseline`` and ``ours``; a caption tells what these two do, and is wrong of any other.
    """
    plain = {name: Card(**about, caption=about["title"]) for name, about in sample_index().items()}
    told = _stories(checkpoint_dir)
    if not models or told.get("models") != dict(models):
        return plain
    return {story["id"]: _card(story) for story in told["stories"]}


def face_gallery(checkpoint_dir: Path, models: Mapping[str, str]) -> dict[str, FaceCard]:
    """The cards that take the place of those of the same ids where the server has the data set; none for other models, too."""
    told = _stories(checkpoint_dir)
    if not models or told.get("models") != dict(models):
        return {}
    fields = ("face", "caption", "expression", "rule")
    return {story["id"]: FaceCard(**{name: story[name] for name in fields}) for story in told.get("faces", [])}


def _stories(checkpoint_dir: Path) -> dict[str, Any]:
    path = checkpoint_dir / STORIES_FILE
    return dict(json.loads(path.read_bytes())) if path.is_file() else {}


def _card(story: Mapping[str, str]) -> Card:
    about = sample_index()[story["sample"]] | {"id": story["id"], "crop": story["crop"]}
    return Card(**about, caption=story["caption"], expression=story["expression"], rule=story["rule"])
