"""The faces of a certificate, and what the model says of them: each question is answered from one look, as far as it can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from model.classifier import ExpressionClassifier
from model.data.faces import FaceSet
from model.expressions import EXPRESSIONS
from model.geometry import FACE_SIZE
from model.importing.integrated import ImportedClassifier, IntegratedHead
from model.maps.measures import centred
from model.maps.picture import place_cells
from model.measuring.bootstrap import Floats
from model.measuring.evaluation import split_outputs
from model.measuring.mirror import SplitOutputs
from model.networks import Grid

BATCH = 50

Classifier = ExpressionClassifier | ImportedClassifier
Part = TypeVar("Part")


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
    """A model and N faces: ``outputs`` is what it gives for them and their mirror images, ``predicted`` (N,) the class it names, whose map
    is looked at; ``cells`` (N, h, w) is that map, centred.

    ``prepare`` makes the network's input (N, 3, S, S) of grey faces (N, 48, 48) in 0..255.
    """

    classifier: Classifier
    prepare: Callable[[Tensor], Tensor]
    grid: Grid
    faces: FaceSet
    outputs: SplitOutputs
    predicted: Tensor
    cells: Tensor

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Names of the modules with weights of their own on which the answer depends, from the output down.

        An imported network may hold others: a head that another one with the same answers stands for.
        """
        with torch.inference_mode(False), torch.enable_grad():
            copy = deepcopy(self.classifier).requires_grad_()
            weights = dict(copy.named_parameters())
            answer = copy.logits(self.images(slice(0, 1)).clone()).sum()
            gradients = torch.autograd.grad(answer, list(weights.values()), allow_unused=True)
        used = {name.rpartition(".")[0] for name, gradient in zip(weights, gradients, strict=True) if gradient is not None}
        return tuple(name for name, _ in self.classifier.named_modules() if name in used)[::-1]

    @classmethod
    def of(cls, classifier: Classifier, prepare: Callable[[Tensor], Tensor], grid: Grid, faces: FaceSet) -> Sample:
        """The faces with what the model says of them."""
        outputs = split_outputs(classifier, prepare, faces, BATCH)
        predicted = outputs.logits.argmax(1)
        return cls(classifier, prepare, grid, faces, outputs, predicted, centred(outputs.maps)[torch.arange(len(faces)), predicted])

    def images(self, part: slice) -> Tensor:
        """Some of the faces as the network's input."""
        return self.prepare(self.faces.images[part])

    def outputs_of(self, classifier: Classifier) -> SplitOutputs:
        """As ``outputs``, of a model made of this one."""
        return split_outputs(classifier, self.prepare, self.faces, BATCH)

    def enlarged(self, cells: Floats) -> Floats:
        """Maps ``(N, h, w)`` at the size of the faces, as they are drawn, ``(N, 48, 48)``."""
        return place_cells(cells, self.grid, FACE_SIZE)


def attention_maps(classifier: Classifier, images: Tensor, classes: Tensor) -> Tensor:
    """The served map of one class for each image, ``(N, h, w)``."""
    features, head = classifier.network(images), classifier.head
    if isinstance(head, IntegratedHead):
        against_the_average = F.one_hot(classes, len(EXPRESSIONS)) - 1 / len(EXPRESSIONS)
        return head.maps_along(features, against_the_average[:, None])[:, 0]
    maps: Tensor = centred(head(features).maps)
    return maps[torch.arange(len(classes)), classes]


def with_progress(parts: Sequence[Part], title: str) -> Iterable[Part]:
    """The parts of a measurement that takes minutes, with a bar on a terminal."""
    bar: Iterable[Part] = tqdm(parts, title, leave=False, disable=None)
    return bar
