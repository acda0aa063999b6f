"""The labelled FERPlus test faces, where the operator has the data set: what annotators saw, what models say, and filters on both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from model.data.faces import FaceSet
from model.data.ferplus import VOTE_COLUMNS, load_ferplus
from model.expressions import EXPRESSIONS

if TYPE_CHECKING:
    from pathlib import Path

    from app.explaining.compute import ComputePool
    from model.importing.metadata import AnyCheckpoint
    from model.predictor import Faces, Predictor

PAGE_FACES = 48
BATCH = 32  # faces of one turn in the compute pool: uploads get theirs in between
MINORITY_VOTES = 2  # annotators who must agree that a face shows something else than its label


class WhoIsRight(StrEnum):
    """Which of two models must be right."""

    ANY = "any"
    SECOND_ONLY = "second"
    FIRST_ONLY = "first"
    NEITHER = "neither"


@dataclass(frozen=True)
class Wanted:
    """Filters; None for any. ``label`` is an expression; ``seen`` one that at least two annotators saw though it is not the label."""

    label: str | None = None
    seen: str | None = None
    outcome: WhoIsRight = WhoIsRight.ANY


class FaceBrowser:
    """The test faces and the predictions computed so far, by the checkpoint's sha256; never more than the faces' own data is kept."""

    def __init__(self, faces: FaceSet) -> None:
        self._faces = faces
        self._predictions: dict[str, NDArray[np.int64]] = {}
        self._progress: dict[str, int] = {}

    @classmethod
    def load(cls, folder: Path) -> FaceBrowser:
        """Read the test split.

        Raises:
            DatasetError: the folder holds no FERPlus in a known form.
        """
        return cls(load_ferplus(folder, "test").labelled())

    @property
    def faces(self) -> FaceSet:
        """The labelled test faces."""
        return self._faces

    def __len__(self) -> int:
        return len(self._faces)

    def picture(self, index: int) -> bytes:
        """A face as PNG, 48x48 grey."""
        return cv2.imencode(".png", self._faces.images[index].numpy())[1].tobytes()

    def label(self, index: int) -> str:
        """The majority label."""
        return EXPRESSIONS[int(self._faces.labels[index])]

    def votes(self, index: int) -> dict[str, int]:
        """Annotators' votes of a face, most first, without zeros."""
        counts = {name: int(count) for name, count in zip(VOTE_COLUMNS, self._faces.votes[index], strict=True) if count}
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def prediction(self, index: int, checkpoint: AnyCheckpoint) -> str | None:
        """What a model says of a face; None while it is not known."""
        known = self._predictions.get(checkpoint.sha256)
        return None if known is None else EXPRESSIONS[int(known[index])]

    def progress(self, checkpoint: AnyCheckpoint) -> float:
        """Share of the faces a model has seen, 0..1."""
        if checkpoint.sha256 in self._predictions:
            return 1.0
        return self._progress.get(checkpoint.sha256, 0) / len(self)

    async def predict(self, checkpoint: AnyCheckpoint, predictor: Predictor, pool: ComputePool) -> None:
        """Let a model see all faces, a small batch at a time; returns at once if it has, or is at it."""
        key = checkpoint.sha256
        if key in self._predictions or key in self._progress:
            return
        self._progress[key] = 0
        try:
            answers = []
            for start in range(0, len(self), BATCH):
                faces = self._faces.images[start : start + BATCH]
                answers.append(await pool.run(partial(_answers, predictor, faces.numpy())))
                self._progress[key] += len(faces)
            self._predictions[key] = np.concatenate(answers)
        finally:
            del self._progress[key]

    def find(self, wanted: Wanted, first: AnyCheckpoint, second: AnyCheckpoint) -> list[int]:
        """Indices of the faces that meet all filters; an outcome matches nothing until both models have seen all faces."""
        chosen = np.ones(len(self), dtype=bool)
        labels = self._faces.labels.numpy()
        if wanted.label is not None:
            chosen &= labels == EXPRESSIONS.index(wanted.label)
        if wanted.seen is not None:
            chosen &= labels != EXPRESSIONS.index(wanted.seen)
            chosen &= self._faces.votes[:, VOTE_COLUMNS.index(wanted.seen)].numpy() >= MINORITY_VOTES
        if wanted.outcome is not WhoIsRight.ANY:
            chosen &= self._matches(wanted.outcome, first, second, labels)
        return [int(index) for index in np.flatnonzero(chosen)]

    def _matches(self, outcome: WhoIsRight, first: AnyCheckpoint, second: AnyCheckpoint, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        predicted = self._predictions.get(first.sha256), self._predictions.get(second.sha256)
        if predicted[0] is None or predicted[1] is None:
            return np.zeros(len(self), dtype=bool)
        right = predicted[0] == labels, predicted[1] == labels
        wanted = {WhoIsRight.SECOND_ONLY: (False, True), WhoIsRight.FIRST_ONLY: (True, False), WhoIsRight.NEITHER: (False, False)}[outcome]
        return np.asarray((right[0] == wanted[0]) & (right[1] == wanted[1]))


def _answers(predictor: Predictor, faces: Faces) -> NDArray[np.int64]:
    return np.asarray(predictor(faces).logits.argmax(1))
