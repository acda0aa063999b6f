"""``manifest.json`` of an audit: all that its rows depend on, so that no row of another data set, model or setting comes among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from model.checkpoints import Name
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.files.atomic_write import replace_file
from model.files.json_file import load_json

MANIFEST_FILE = "manifest.json"
PART_FILES = "part-*.parquet"

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class AuditError(InputError):
    """A folder holds no audit, or another one; the message is one line."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AuditedModel(_Part):
    """A checkpoint by the ``name`` that was asked for, and the shapes of its columns: ``channels`` of the embedding, ``cells`` a side of
    a map, ``minor_classes`` of the scores."""

    name: Name
    checkpoint: Name
    sha256: Digest
    minor_classes: tuple[str, ...]
    channels: Count
    cells: Count


class AuditSettings(_Part):
    """What the user chose beside source and models."""

    crop: Literal["whole", "detect"]
    shard_rows: Annotated[int, Field(ge=1)]


class ListedPictures(_Part):
    """The pictures of the source: how many, and the sha256 of their names, places and labels in order."""

    pictures: Count
    sha256: Digest


class AuditManifest(_Part):
    """``revision`` is the code's, ``versions`` those of the packages that decode, compute and write, and a sha256 of the code, of which a
    revision says nothing outside its repository."""

    format: Literal["unturned-audit-1"] = "unturned-audit-1"
    source: str
    labels: str | None
    classes: tuple[str, ...] = EXPRESSIONS
    models: Annotated[tuple[AuditedModel, ...], Field(min_length=1)]
    settings: AuditSettings
    listing: ListedPictures
    revision: str
    versions: dict[str, str]

    @property
    def parts(self) -> int:
        """How many part files the whole audit has."""
        return -(-self.listing.pictures // self.settings.shard_rows)


def load_audit_manifest(directory: Path) -> AuditManifest:
    """Read ``manifest.json`` of an audit.

    Raises:
        AuditError: missing or malformed.
    """
    return load_json(directory / MANIFEST_FILE, AuditManifest, AuditError, "give the folder that unturned audit --out wrote")


def claim_folder(directory: Path, manifest: AuditManifest) -> None:
    """Begin an audit in a folder, or make sure that the one begun there is the same.

    Raises:
        AuditError: it is another; the message names the first difference. Or there are parts, and nothing says of what.
    """
    path = directory / MANIFEST_FILE
    if not path.exists():
        if part := next(directory.glob(PART_FILES), None):
            raise AuditError(
                f"{directory} has {part.name}, but no {MANIFEST_FILE} that says of what: choose another --out, or delete the parts"
            )
        replace_file(path, f"{manifest.model_dump_json(indent=1)}\n".encode())
        return
    begun = load_audit_manifest(directory)
    for field, before, now in _differences(begun.model_dump(mode="json"), manifest.model_dump(mode="json")):
        raise AuditError(f"{directory} holds an audit with another {field}: {before} then, {now} now; choose another --out")


def _differences(before: Any, now: Any, field: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every leaf in which two JSON values differ, as (``a.b.0``, value, value); None stands for what is not there."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in before | now:
            yield from _differences(before.get(key), now.get(key), f"{field}.{key}" if field else key)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (a, b) in enumerate(zip(before, now, strict=True)):
            yield from _differences(a, b, f"{field}.{index}")
    elif before != now:
        yield field, before, now
