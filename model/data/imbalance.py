"""Training sets thinned to a given imbalance: which faces of each class are kept."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from model.data.faces import FaceSet
from model.data.protocols import protocol_counts


def thin_to_protocol(faces: FaceSet, dataset: str, imbalance: str) -> FaceSet:
    """The faces a protocol keeps, in their original order; ``faces`` must all be labelled.

    Each class is shuffled by a hash of the file names and its first faces are kept. So the choice depends on nothing but the names, is the
    same for every seed of training, and of two protocols the one with fewer faces of a class keeps some of the other's.
    """
    wanted = protocol_counts(dataset, imbalance, faces.counts())
    kept: list[int] = []
    for label, count in enumerate(wanted):
        members: list[int] = torch.nonzero(faces.labels == label).flatten().tolist()
        kept += sorted(members, key=lambda index: _draw(faces.names[index]))[:count]
    return faces.subset(_indices(kept))


def _indices(kept: list[int]) -> Tensor:
    return torch.tensor(sorted(kept), dtype=torch.int64)


def _draw(name: str) -> bytes:
    return hashlib.sha256(f"0 {name}".encode()).digest()  # the recorded runs saw the faces that this very hash chose
