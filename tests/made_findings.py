"""A small audit, made without networks: a folder with a manifest and parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model.auditing.manifest import AuditedModel, AuditManifest, AuditSettings, ListedPictures, claim_folder
from model.auditing.parts import column_name, part_path, part_schema
from model.expressions import EXPRESSIONS, MINOR_CLASSES

MODELS = tuple(
    AuditedModel(name=name, checkpoint=name, sha256="0" * 64, minor_classes=MINOR_CLASSES, channels=1, cells=1)
    for name in ("baseline", "ours")
)


@dataclass
class MadeFace:
    """One row; ``answer`` is the expression that all models are nearly sure of, ``mirrored`` that of the mirror image (the same)."""

    id: str
    label: str | None
    answer: str = "neutral"
    mirrored: str | None = None
    sure: float = 0.9
    split: str | None = "test"
    sha256: str | None = None
    picture: np.ndarray | None = None
    error: str | None = None
    faces_found: int | None = None
    detection_score: float | None = None


def grey_face(seed: int) -> np.ndarray:
    """A smooth picture (48, 48)."""
    noise = np.random.default_rng(seed).normal(size=(8, 8)).astype(np.float32)
    return np.clip(128 + 40 * cv2.resize(noise, (48, 48), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def write_audit(directory: Path, faces: Sequence[MadeFace], shard_rows: int = 4) -> Path:
    """The folder of a whole audit of these faces."""
    directory.mkdir(parents=True, exist_ok=True)
    manifest = AuditManifest(
        source="faces.zip",
        labels="labels.csv",
        models=MODELS,
        settings=AuditSettings(crop="whole", shard_rows=shard_rows),
        listing=ListedPictures(pictures=len(faces), sha256="1" * 64),
        revision="abc",
        versions={},
    )
    claim_folder(directory, manifest)
    schema = part_schema(MODELS)
    for number in range(manifest.parts):
        members = range(number * shard_rows, min(len(faces), (number + 1) * shard_rows))
        pq.write_table(pa.Table.from_pylist([_row(index, faces[index], schema) for index in members], schema), part_path(directory, number))
    return directory


def _row(index: int, face: MadeFace, schema: pa.Schema) -> dict[str, object]:
    row: dict[str, object] = {field.name: None for field in schema}
    row |= {"id": face.id, "sha256": face.sha256 or f"{index:064x}", "label": face.label, "split": face.split, "error": face.error}
    if face.error is not None:
        return row
    picture = grey_face(index) if face.picture is None else face.picture
    row |= {"faces_found": face.faces_found, "detection_score": face.detection_score, "face": cv2.imencode(".png", picture)[1].tobytes()}
    for model in MODELS:
        here, there = _answer(face.answer, face.sure), _answer(face.mirrored or face.answer, face.sure)
        values = {"probabilities": here, "mirror_probabilities": there, "two_view_probabilities": (here + there) / 2}
        row |= {column_name(model.name, name): value.tolist() for name, value in values.items()}
    return row


def _answer(expression: str, sure: float) -> np.ndarray:
    probabilities = np.full(len(EXPRESSIONS), (1 - sure) / (len(EXPRESSIONS) - 1))
    probabilities[EXPRESSIONS.index(expression)] = sure
    return probabilities
