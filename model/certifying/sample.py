"""The faces of a certificate, and what the model says of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model.classifier import ExpressionClassifier
from model.data.ferplus import FaceSet
from model.expressions import EXPRESSIONS
from model.geometry import FACE_SIZE
from model.maps.measures import centred
from model.maps.picture import place_cells
from model.measuring.bootstrap import Floats
from model.networks import Grid
from model.preprocessing import network_input

BATCH = 50


def balanced_sample(faces: FaceSet, most: int, seed: int) -> FaceSet:
    """At most ``most`` labelled faces: as many of every expression as of the others, or all there are of a rarer one.

    A face of each expression counts alike, so that a figure is not that of happy and neutral faces alone.
    """
    generator = torch.Generator().manual_seed(seed)
    each = most // len(EXPRESSIONS)
    chosen = []
    for index in range(len(EXPRESSIONS)):
        members = torch.nonzero(faces.labels == index).flatten()
        chosen.append(members[torch.randperm(len(members), generator=generator)[:each]])
    together = torch.cat(chosen)
    return faces.subset(together[torch.randperm(len(together), generator=generator)])


@dataclass(frozen=True)
class Sample:
    """A model and N faces: ``predicted`` (N,) is the class it names, whose map is looked at; ``cells`` (N, h, w) is that map, centred."""

    classifier: ExpressionClassifier
    input_size: int
    grid: Grid
    faces: FaceSet
    predicted: Tensor
    cells: Tensor

    def images(self, part: slice | Tensor) -> Tensor:
        """Some of the faces, a slice or numbers (K,), as the network's input."""
        return network_input(self.faces.images[part], self.input_size)

    def enlarged(self, cells: Floats) -> Floats:
        """Maps ``(N, h, w)`` at the size of the faces, as they are drawn, ``(N, 48, 48)``."""
        return place_cells(cells, self.grid, FACE_SIZE)


def attention_maps(classifier: ExpressionClassifier, images: Tensor, classes: Tensor) -> Tensor:
    """The served map of one class for each image, ``(N, h, w)``."""
    maps: Tensor = centred(classifier(images).maps)
    return maps[torch.arange(len(classes)), classes]
