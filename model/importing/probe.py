"""Whether a file is read as its makers meant it: accuracy on labelled faces as told, and with one thing changed at a time.

A state dict that loads strictly proves nothing: colours, the order of the classes, the normalisation, the framing and even strides are in
none of its tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from model.expressions import EXPRESSIONS
from model.importing.imported import filled_network
from model.importing.metadata import Colour
from model.importing.probe_faces import Picture, ProbeFaces
from model.importing.reading import Reading, published_logits
from model.importing.recipes import HALF, IMAGENET, RECIPES

CLEAR = 0.03  # a change of accuracy worth naming
NORMAL_QUANTILE = 1.96
ZOOM = 0.15
COLOURS: tuple[Colour, ...] = ("rgb", "bgr", "grey")
NORMALISATIONS = {
    "ImageNet's mean and deviation": IMAGENET,
    "mean and deviation .5": HALF,
    "values in 0..1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}

Reframe = Callable[[Picture], Picture]


@dataclass(frozen=True)
class Row:
    """One way of reading: its accuracy with the classes as told, and with the order that fits the labels best.

    ``remedy`` is what the command would have to say for it, empty for the reading as told.
    """

    name: str
    remedy: str
    accuracy: float
    reordered: float
    order: tuple[str, ...]


@dataclass(frozen=True)
class Probe:
    """All that was tried on ``faces`` faces; the first row is the reading as told."""

    rows: tuple[Row, ...]
    faces: int
    stated: float

    @property
    def told(self) -> Row:
        return self.rows[0]

    @property
    def reached(self) -> bool:
        """Whether the stated accuracy is at most the upper end of the 95 % interval (Wilson's) of the measured one."""
        return self.stated <= wilson(self.told.accuracy, self.faces)[1]

    def findings(self) -> list[str]:
        """What explains the numbers, as questions with their remedies; best first."""
        told = self.told.accuracy
        better = sorted((row for row in self.rows[1:] if row.accuracy > told + CLEAR), key=lambda row: -row.accuracy)
        found = [f"{_percent(row.accuracy)} with {row.name}: try {row.remedy}" for row in better]
        if self.told.reordered > told + CLEAR:
            found.insert(
                0 if not better or self.told.reordered > better[0].accuracy else 1,
                f"{_percent(self.told.reordered)} with the classes in another order: is it --classes {','.join(self.told.order)}?",
            )
        return found

    def table(self) -> str:
        """The rows as text in columns."""
        low, high = wilson(self.told.accuracy, self.faces)
        width = max(len(row.name) for row in self.rows)
        lines = [f"{self.faces} faces; stated {_percent(self.stated)}; as told 95 % interval {_percent(low)} to {_percent(high)}"]
        lines.append(f"{'read':<{width}}  accuracy  best order of classes")
        lines += [f"{row.name:<{width}}  {_percent(row.accuracy):>8}  {_percent(row.reordered):>8}" for row in self.rows]
        return "\n".join(lines)


def run_probe(reading: Reading, tensors: Mapping[str, Tensor], faces: ProbeFaces, stated: float) -> Probe:
    """Try a reading and its variants.

    Args:
        tensors: under the network's names.
        faces: as the network's training faces were framed.
        stated: the accuracy the user expects, 0..1.
    """
    rows = [_row("as told", "", reading, tensors, faces)]
    rows += [_row(name, remedy, changed, tensors, faces) for name, remedy, changed in variants(reading)]
    for name, change in _zooms().items():
        rows.append(_row(name, "pictures framed like that", reading, tensors, faces.changed(change)))
    return Probe(tuple(rows), len(faces.labels), stated)


def variants(reading: Reading) -> Iterator[tuple[str, str, Reading]]:
    """What a reading may be mistaken in, one thing at a time: name, remedy, changed reading."""
    for colour in COLOURS:
        if colour != reading.colour:
            yield f"colours {colour}", f"--colour {colour}", replace(reading, colour=colour)
    for name, (mean, std) in NORMALISATIONS.items():
        if (mean, std) != (reading.mean, reading.std):
            remedy = f"--mean {','.join(map(str, mean))} --std {','.join(map(str, std))}"
            yield name, remedy, replace(reading, mean=mean, std=std)
    for other in RECIPES[reading.recipe].lookalikes:
        if reading.architecture in RECIPES[other].architectures:
            yield f"the network of {other}", f"--recipe {other}", replace(reading, recipe=other)


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of ``count`` (Wilson 1927); it begins at 0 where none is right and ends at 1 where all are."""
    z = NORMAL_QUANTILE
    middle, spread = share + z * z / (2 * count), z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    whole = 1 + z * z / count
    # said outright, since rounding misses these two ends by a last digit, to either side
    return (middle - spread) / whole if share > 0 else 0.0, (middle + spread) / whole if share < 1 else 1.0


def best_order(logits: Tensor, labels: Tensor, classes: tuple[str, ...]) -> tuple[tuple[str, ...], float]:
    """The names of the file's classes with which most faces are named right (an assignment), and their share.

    A class beyond the seven is served no logit, so the largest of the others decides; which row it has is tried, too.

    Args:
        logits: ``(N, K)`` in the file's order.
        labels: ``(N,)`` indices into ``EXPRESSIONS``.
        classes: as told, ``K``; of orders that fit as well the one that leaves the further class where it is told.
    """
    rest = tuple(name for name in classes if name not in EXPRESSIONS)
    told = tuple(row for row, name in enumerate(classes) if name in rest)
    tried = []
    for left in (told, *combinations(range(len(classes)), len(rest))):
        served = [row for row in range(len(classes)) if row not in left]
        named, right = _assigned(logits[:, served].argmax(1), labels)
        order = dict(zip(served, named, strict=True)) | dict(zip(left, rest, strict=True))
        tried.append((right, tuple(order[row] for row in range(len(classes)))))
    right, best = max(tried, key=lambda each: each[0])  # the first of equals
    return best, right / len(labels)


def _assigned(predicted: Tensor, labels: Tensor) -> tuple[list[str], float]:
    """An expression for each of seven rows, and how many predictions ``(N,)`` are right with these."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((len(EXPRESSIONS), len(EXPRESSIONS)))
    np.add.at(counts, (predicted.numpy(), labels.numpy()), 1)
    rows, columns = linear_sum_assignment(-counts)
    return [EXPRESSIONS[column] for column in columns], float(counts[rows, columns].sum())


def _row(name: str, remedy: str, reading: Reading, tensors: Mapping[str, Tensor], faces: ProbeFaces) -> Row:
    network = filled_network(reading.recipe, reading.architecture, len(reading.classes), tensors)
    logits = published_logits(network, reading, faces.at(reading.face_size))
    served = torch.tensor([reading.classes.index(expression) for expression in EXPRESSIONS])
    accuracy = float((logits[:, served].argmax(1) == faces.labels).float().mean())
    order, reordered = best_order(logits, faces.labels, reading.classes)
    return Row(name, remedy, accuracy, reordered, order)


def _zooms() -> dict[str, Reframe]:
    return {
        f"faces {ZOOM:.0%} closer": lambda picture: _zoomed(picture, 1 - ZOOM),
        f"faces {ZOOM:.0%} wider": lambda picture: _zoomed(picture, 1 + ZOOM),
    }


def _zoomed(picture: Picture, share: float) -> Picture:
    """The middle of a picture, ``share`` of its sides; beyond its border the outermost pixels go on."""
    rows, columns = picture.shape[:2]
    margin = round(abs(1 - share) / 2 * min(rows, columns))
    if share < 1:
        return picture[margin : rows - margin, margin : columns - margin]
    return np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="edge")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
