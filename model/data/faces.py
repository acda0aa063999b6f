"""Labelled faces of one split, of whichever data set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.errors import InputError
from model.expressions import EXPRESSIONS

if TYPE_CHECKING:
    from torch import Tensor

DROPPED = -1  # the label of a face without a majority among the seven


class DatasetError(InputError):
    """A dataset is missing or not in a known form; the message says what to do."""


@dataclass(frozen=True)
class FaceSet:
    """Faces of one split: ``images`` uint8, grey (N, H, H) or RGB (N, 3, H, H), ``labels`` (N,) int64 in the order of ``EXPRESSIONS``
    or :data:`DROPPED`, ``votes`` (N, V) int64, V 10 with FERPlus (:data:`model.data.ferplus.VOTE_COLUMNS`) and 0 with RAF-DB, and the
    data set's file names."""

    images: Tensor
    labels: Tensor
    votes: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, indices: Tensor) -> FaceSet:
        """The faces at ``indices`` (K,), in that order."""
        names = tuple(self.names[index] for index in indices.tolist())
        return FaceSet(self.images[indices], self.labels[indices], self.votes[indices], names)

    def labelled(self) -> FaceSet:
        """Only the faces with a majority label among the seven expressions."""
        return self.subset((self.labels != DROPPED).nonzero().flatten())

    def digest(self) -> str:
        """Hash (hex) of the names, labels, votes and pictures, in their order."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        for part in (self.labels, self.votes, self.images):
            digest.update(part.numpy().tobytes())
        return digest.hexdigest()

    def counts(self) -> tuple[int, ...]:
        """Faces of each expression, in the order of ``EXPRESSIONS``."""
        return tuple(int((self.labels == index).sum()) for index in range(len(EXPRESSIONS)))
