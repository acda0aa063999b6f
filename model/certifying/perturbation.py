"""Whether a map ranks pixels as the model uses them: they are taken out or put in, the map's highest first, and the answer is watched.

ROAD: Rong et al., ICML 2022 (:mod:`model.claims.faithfulness`). Insertion and deletion: Petsiuk et al., RISE, BMVC 2018. The control of
all three is a map of as many cells with random values, enlarged the same way. A face with pixels taken out is none the model was trained
on; the control's faces are as strange, so differences are read, never the figures alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.certifying.judging import judged_line
from model.certifying.report import Line, Section
from model.certifying.sample import BATCH, Sample, with_progress
from model.claims.faithfulness import FaceModel, pixel_ranks, road
from model.geometry import FACE_SIZE
from model.measuring.bootstrap import Floats

SECTION: Section = "faithfulness"
CONTROL = "a random map"
STEPS = 8  # each a share of 1/8 of the pixels
BLUR = FACE_SIZE / 8  # pixels, standard deviation: brows, eyes and mouth run into each other
ROAD_RULE = "pass: the map scores higher than a random one on the same face (the mean difference is above 0)"
DELETION_RULE = "pass: the probability falls faster than with a random map on the same face (the mean difference is above 0)"
INSERTION_RULE = "pass: the probability rises faster than with a random map on the same face (the mean difference is above 0)"
ROAD_SOURCE = "Rong et al., A Consistent and Efficient Evaluation Strategy for Attribution Methods, ICML 2022"
RISE_SOURCE = "Petsiuk et al., RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018"

Predict = Callable[[Tensor], Tensor]  # pictures (N, 1, 48, 48) in 0..1 -> logits (N, L)


class Areas(NamedTuple):
    """Area under the probability's curve for every face, (N,), 0 to 1: pixels taken out, and put in."""

    deletion: Floats
    insertion: Floats


def probability_curves(
    predict: Predict, before: Tensor, after: Tensor, ranks: NDArray[np.float32], classes: Tensor, steps: int = STEPS
) -> Floats:
    """Probability of each picture's class while ``before`` turns into ``after``, the pixels of the highest rank first.

    Args:
        before, after: ``(N, 1, H, W)`` in 0..1.
        ranks: ``(N, H, W)``, all different within a picture.
        classes: ``(N,)``.
        steps: as many equal shares of the pixels.

    Returns:
        ``(N, steps + 1)``, from none of the pixels to all.
    """
    order = torch.from_numpy((-ranks.reshape(len(ranks), -1)).argsort(1).argsort(1)).view(len(ranks), 1, *ranks.shape[1:])
    pixels = ranks[0].size
    pictures = [torch.where(order < round(pixels * step / steps), after, before) for step in range(steps + 1)]
    return np.stack([predict(picture).softmax(1).gather(1, classes[:, None])[:, 0].double().numpy() for picture in pictures], 1)


def area(curves: Floats) -> Floats:
    """Area under curves ``(N, K)`` over 0..1, (N,), by the trapezoid rule."""
    return np.asarray((curves[:, 1:] + curves[:, :-1]).mean(1) / 2)


def faithfulness_lines(sample: Sample, seed: int) -> Iterator[Line]:
    """ROAD, deletion and insertion of the maps, each against random maps."""
    maps = sample.enlarged(sample.cells.double().numpy())
    random = sample.enlarged(np.random.default_rng(seed).standard_normal(sample.cells.shape))
    own_road, random_road = _road(sample, maps), _road(sample, random)
    yield judged_line(
        "road", SECTION, "ROAD: half of the change without the lowest less that without the highest pixels", "change of probability",
        ROAD_SOURCE, ROAD_RULE, CONTROL, own_road, random_road, own_road - random_road,
    )  # fmt: skip
    own, chance = _areas(sample, maps), _areas(sample, random)
    yield judged_line(
        "deletion", SECTION, "Deletion: area under the probability, highest pixels taken out first", "mean probability, lower is better",
        RISE_SOURCE, DELETION_RULE, CONTROL, own.deletion, chance.deletion, chance.deletion - own.deletion,
    )  # fmt: skip
    yield judged_line(
        "insertion", SECTION, "Insertion: area under the probability, highest pixels put in first", "mean probability, higher is better",
        RISE_SOURCE, INSERTION_RULE, CONTROL, own.insertion, chance.insertion, own.insertion - chance.insertion,
    )  # fmt: skip


@torch.inference_mode()
def _road(sample: Sample, maps: Floats) -> Floats:
    """ROAD of maps ``(N, 48, 48)``, (N,)."""
    return road(FaceModel(sample.classifier.logits, sample.prepare), sample.faces.images, sample.predicted, maps).combined


@torch.inference_mode()
def _areas(sample: Sample, maps: Floats) -> Areas:
    """Areas of maps ``(N, 48, 48)``."""
    predict = FaceModel(sample.classifier.logits, sample.prepare)
    ranks = pixel_ranks(maps)
    deletion, insertion = [], []
    for start in with_progress(range(0, len(maps), BATCH), "deletion and insertion"):
        part = slice(start, start + BATCH)
        faces = sample.faces.images[part, None].float() / 255.0
        flat = faces.mean((2, 3), keepdim=True).expand_as(faces)
        deletion.append(area(probability_curves(predict, faces, flat, ranks[part], sample.predicted[part])))
        insertion.append(area(probability_curves(predict, _blurred(faces), faces, ranks[part], sample.predicted[part])))
    return Areas(np.concatenate(deletion), np.concatenate(insertion))


def _blurred(faces: Tensor) -> Tensor:
    return torch.stack([torch.from_numpy(cv2.GaussianBlur(face[0].numpy(), (0, 0), BLUR))[None] for face in faces])
