"""The gallery: pictures in the public domain that a visitor can try the models on, and what there is to see on each."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.installation import shipped_folder
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.files.json_file import load_json

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

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
    def source(self) -> str:
        """Where the picture is from, in sentences."""
        return f"{self.title}. {self.credit}. {self.licence}."

    @property
    def picture(self) -> bytes:
        """The encoded picture."""
        return next(data for name, data in sample_pictures().items() if sample_index()[name]["file"] == self.file)


@dataclass(frozen=True, kw_only=True)
class FaceCard:
    """One entry of the gallery that shows a test face, by its number, where the server has the data set."""

    face: int
    expression: str
    caption: str
    rule: str


@cache
def sample_index() -> dict[str, dict[str, str]]:
    """The gallery's pictures by id: file, title, alt, credit, licence and the crop that suits each."""
    return {sample["id"]: sample for sample in json.loads((FOLDER / "index.json").read_bytes())}


@cache
def sample_pictures() -> dict[str, bytes]:
    """The encoded pictures by id: what a client sends is a key here, never part of a path."""
    return {name: (FOLDER / about["file"]).read_bytes() for name, about in sample_index().items()}


def _known_sample(name: str) -> str:
    if name not in sample_index():
        raise ValueError("the gallery has no such picture")
    return name


def _known_expression(name: str) -> str:
    if name not in ("", *EXPRESSIONS):
        raise ValueError(f"is none of {', '.join(EXPRESSIONS)}")
    return name


class _Told(BaseModel):
    """What ``unturned stories`` wrote of one card."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    caption: str
    expression: Annotated[str, AfterValidator(_known_expression)]
    rule: str


class _ToldPicture(_Told):
    sample: Annotated[str, AfterValidator(_known_sample)]
    crop: str


class _ToldFace(_Told):
    face: int = Field(ge=0)


class _Stories(BaseModel):
    """The stories' file: sha256 of the ``models`` that it tells of, by the names compared, and its cards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: dict[str, str] = Field(min_length=1)
    stories: tuple[_ToldPicture, ...] = Field(min_length=1)
    faces: tuple[_ToldFace, ...] = ()


def gallery(checkpoint_dir: Path, models: Mapping[str, str]) -> dict[str, Card]:
    """The cards by id, the one shown first in front: the stories that ``unturned stories`` wrote for these models, else the bare pictures.

    Args:
        checkpoint_dir: where the stories lie.
        models: sha256 of the checkpoints behind ``baseline`` and ``ours``; a caption tells what these two do, and is wrong of any other.
    """
    told = _stories(checkpoint_dir, models)
    if told is None:
        return bare_gallery()
    return {story.id: Card(**sample_index()[story.sample] | story.model_dump(exclude={"sample"})) for story in told.stories}


def bare_gallery() -> dict[str, Card]:
    """The pictures by id, as cards that tell nothing of any model."""
    return {name: Card(**about, caption=about["title"]) for name, about in sample_index().items()}


def face_gallery(checkpoint_dir: Path, models: Mapping[str, str]) -> dict[str, FaceCard]:
    """The cards that take the place of those of the same ids where the server has the data set; none for other models, too."""
    told = _stories(checkpoint_dir, models)
    return {} if told is None else {story.id: FaceCard(**story.model_dump(exclude={"id"})) for story in told.faces}


def _stories(checkpoint_dir: Path, models: Mapping[str, str]) -> _Stories | None:
    """What was told of these models; None where nothing was."""
    path = checkpoint_dir / STORIES_FILE
    told = _read(path, path.stat().st_mtime_ns) if path.is_file() else None
    return told if told is not None and told.models == dict(models) else None


@lru_cache(maxsize=1)
def _read(path: Path, _changed: int) -> _Stories | None:
    """A file's stories, read again when the time of its last change is another; a damaged one is logged and tells nothing."""
    try:
        return load_json(path, _Stories, InputError)
    except InputError as error:
        told = "the gallery shows its pictures without stories; unturned stories writes the file again"
        logger.warning(told, extra={"fields": {"reason": str(error)}})
        return None
