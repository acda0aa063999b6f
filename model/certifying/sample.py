"""The faces of a certificate, and what the model says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from model.classifier import ExpressionClassifier
from model.data.ferplus import FaceSet
from model.expressions import EXPRESSIONS
from model.geometry import FACE_SIZE
from model.importing.integrated import ImportedClassifier
from model.maps.measures import centred
from model.maps.picture import place_cells
from model.measuring.bootstrap import Floats
from model.measuring.mirror import SplitOutputs
from model.networks import Grid

BATCH = 50

Classifier = ExpressionClassifier | ImportedClassifier


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
    """A model and N faces: ``predicted`` (N,) is the class it names, whose map is looked at; ``cells`` (N, h, w) is that map, centred.

    ``prepare`` makes the network's input (N, 3, S, S) of grey faces (N, 48, 48) in 0..255.
    """

    classifier: Classifier
    prepare: Callable[[Tensor], Tensor]
    grid: Grid
    faces: FaceSet
    predicted: Tensor
    cells: Tensor

    @classmethod
    @torch.inference_mode()
    def of(cls, classifier: Classifier, prepare: Callable[[Tensor], Tensor], grid: Grid, faces: FaceSet) -> Sample:
        """The faces with what the model names each and the map of that class."""
        parts = [prepare(part) for part in torch.split(faces.images, BATCH)]
        predicted = [classifier(images).logits.argmax(1) for images in parts]
        cells = [attention_maps(classifier, images, classes) for images, classes in zip(parts, predicted, strict=True)]
        return cls(classifier, prepare, grid, faces, torch.cat(predicted), torch.cat(cells))

    def images(self, part: slice | Tensor) -> Tensor:
        """Some of the faces, a slice or numbers (K,), as the network's input."""
        return self.prepare(self.faces.images[part])

    @torch.inference_mode()
    def outputs(self, classifier: Classifier) -> SplitOutputs:
        """What this model, or one made of it, gives for every face and its mirror image."""
        parts = [self.prepare(part) for part in torch.split(self.faces.images, BATCH)]
        seen, mirrored = [classifier(images) for images in parts], [classifier(images.flip(-1)) for images in parts]
        return SplitOutputs(
            logits=torch.cat([prediction.logits for prediction in seen]),
            maps=torch.cat([prediction.maps for prediction in seen]),
            mirrored_maps=torch.cat([prediction.maps for prediction in mirrored]),
            mirrored_logits=torch.cat([prediction.logits for prediction in mirrored]),
        )

    def enlarged(self, cells: Floats) -> Floats:
        """Maps ``(N, h, w)`` at the size of the faces, as they are drawn, ``(N, 48, 48)``."""
        return place_cells(cells, self.grid, FACE_SIZE)


def attention_maps(classifier: Classifier, images: Tensor, classes: Tensor) -> Tensor:
    """The served map of one class for each image, ``(N, h, w)``."""
    maps: Tensor = centred(classifier(images).maps)
    return maps[torch.arange(len(classes)), classes]
