"""The labelled faces of a data set's split, held against what was published of it."""

from __future__ import annotations

import logging
from pathlib import Path

from model.data.faces import DatasetError, FaceSet
from model.data.ferplus import PUBLISHED_COUNTS, load_ferplus
from model.data.protocols import ORIGINAL
from model.data.rafdb import load_rafdb
from model.expressions import EXPRESSIONS
from model.paper import published_counts

logger = logging.getLogger(__name__)


def load_labelled_faces(dataset: str, data: Path, split: str) -> FaceSet:
    """The faces of a split that have a label, some of every expression; that they are not the published ones is warned of.

    Raises:
        DatasetError: the data is not there, or an expression is not in it; the message says what is expected.
    """
    everything = load_ferplus(data, split) if dataset == "ferplus" else load_rafdb(data, split)
    faces = everything.labelled()
    missing = [name for name, count in zip(EXPRESSIONS, faces.counts(), strict=True) if count == 0]
    if missing:
        raise DatasetError(f"{data}: no face in the {split} split is labelled {', '.join(missing)}, but each expression needs one")
    _compare_with_published(dataset, data, split, faces.counts(), len(everything) - len(faces))
    return faces


def _compare_with_published(dataset: str, data: Path, split: str, counts: tuple[int, ...], dropped: int) -> None:
    """Say what was found where it is not what was published: figures of other faces cannot be compared with the paper's."""
    if dataset == "ferplus":
        expected = dict(zip(EXPRESSIONS, PUBLISHED_COUNTS[split], strict=True))
    elif split == "train":
        expected = published_counts(dataset, ORIGINAL) or {}
    else:
        return
    found = dict(zip(EXPRESSIONS, counts, strict=True))
    differing = ", ".join(f"{name} {found[name]} instead of {expected[name]}" for name in EXPRESSIONS if found[name] != expected[name])
    if differing:
        left = f"{dropped} faces without a majority label are left out"
        logger.warning("%s, split %s: not the published faces: %s; %s", data, split, differing, left)
