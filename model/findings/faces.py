"""What findings need of an audit, read part by part: maps and embeddings stay on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from model.auditing.manifest import AuditError
from model.auditing.parts import Audit, column_name, numbers
from model.expressions import EXPRESSIONS
from model.findings.confident_learning import Floats, Labels
from model.findings.duplicates import BITS, Copies, Hashes, difference_hash, find_copies
from model.geometry import FACE_SIZE

UNLABELLED = -1
_PICTURE_COLUMNS = ["id", "sha256", "label", "split", "error", "faces_found", "detection_score", "face"]
_VIEWS = ("probabilities", "mirror_probabilities", "two_view_probabilities")


@dataclass(frozen=True)
class AuditedFaces:
    """The N pictures of an audit, in its order.

    ``labels`` (N,) index ``EXPRESSIONS``, -1 where there is none. ``face``, ``mirror`` and ``two_views`` (N, L) are probabilities, the mean
    of all audited models, NaN where a picture could not be used; ``hashes`` and ``mirrored_hashes`` (N, 4) mean nothing there.
    ``faces_found`` (N,) is NaN where the detector was not asked, ``detection_scores`` (N,) also where it found nothing.
    """

    ids: tuple[str, ...]
    digests: tuple[str | None, ...]
    labels: Labels
    splits: tuple[str | None, ...]
    errors: tuple[str | None, ...]
    faces_found: Floats
    detection_scores: Floats
    face: Floats
    mirror: Floats
    two_views: Floats
    hashes: Hashes
    mirrored_hashes: Hashes
    minor_classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which pictures the models saw, ``(N,)``."""
        return ~np.isnan(self.face[:, 0])

    @property
    def labelled(self) -> NDArray[np.int64]:
        """Indices of the usable pictures that have a label."""
        return np.flatnonzero(self.usable & (self.labels != UNLABELLED))

    @cached_property
    def copies(self) -> Copies:
        """The copies among the usable pictures, found once: of many pictures that takes long."""
        return find_copies(self.digests, self.hashes, self.mirrored_hashes, self.usable)


def read_audited_faces(audit: Audit) -> AuditedFaces:
    """Read a whole audit.

    Raises:
        AuditError: parts are missing, or cannot be read.
    """
    if audit.missing:
        raise AuditError(
            f"{audit.directory}: {audit.missing} of {audit.manifest.parts} parts are missing: run the audit again to finish it"
        )
    models = [model.name for model in audit.manifest.models]
    columns = [*_PICTURE_COLUMNS, *(column_name(model, view) for model in models for view in _VIEWS)]
    texts: dict[str, list[str | None]] = {name: [] for name in ("id", "sha256", "label", "split", "error")}
    arrays: list[dict[str, NDArray[np.generic]]] = []
    for table in audit.tables(columns):
        for name in texts:
            texts[name] += table.column(name).to_pylist()
        arrays.append(_part_arrays(table, models))
    joined = {name: np.concatenate([each[name] for each in arrays]) for name in arrays[0]}
    index = {name: number for number, name in enumerate(EXPRESSIONS)}
    return AuditedFaces(
        ids=tuple(name or "" for name in texts["id"]),
        digests=tuple(texts["sha256"]),
        labels=np.array([UNLABELLED if name is None else index[name] for name in texts["label"]], dtype=np.int64),
        splits=tuple(texts["split"]),
        errors=tuple(texts["error"]),
        minor_classes=tuple(dict.fromkeys(name for model in audit.manifest.models for name in model.minor_classes)),
        **joined,
    )


def face_pictures(table: pa.Table) -> Iterator[NDArray[np.uint8] | None]:
    """The 48x48 grey faces that the networks saw, row by row; None where there is none."""
    for content in table.column("face").to_pylist():
        yield None if content is None else np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def _part_arrays(table: pa.Table, models: list[str]) -> dict[str, NDArray[np.generic]]:
    blank = np.zeros((FACE_SIZE, FACE_SIZE), np.uint8)
    faces = np.array([blank if face is None else face for face in face_pictures(table)], dtype=np.uint8)
    face, mirror, two_views = (
        np.mean([numbers(table, column_name(model, view)).astype(np.float64) for model in models], axis=0) for view in _VIEWS
    )
    return {
        "faces_found": _floats(table, "faces_found"),
        "detection_scores": _floats(table, "detection_score"),
        "face": face,
        "mirror": mirror,
        "two_views": two_views,
        "hashes": difference_hash(faces).reshape(-1, BITS // 64),
        "mirrored_hashes": difference_hash(faces[:, :, ::-1]).reshape(-1, BITS // 64),
    }


def _floats(table: pa.Table, column: str) -> Floats:
    return np.array([np.nan if value is None else value for value in table.column(column).to_pylist()], dtype=np.float64)
