"""What the mirror shows of a model: whether its maps and its answers agree there, and the controls without which agreement says little.

A map that is symmetric agrees with any mirror, and one that looks alike on every face agrees with every face. So flip consistency is
measured with three controls (own symmetry, the floor of other faces, whether a map's own mirror image is found among many), and the answers
themselves are compared. Maps are in the centred gauge, as served.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from model.maps.measures import centred, flip_back, flip_consistency, own_mirror_found, own_symmetry, total_variation
from model.measuring.bootstrap import Floats

PARTNER_SEED = 20231030
COARSE = 3  # cells a side


@dataclass(frozen=True)
class SplitOutputs:
    """What a classifier gives for the N faces of a split: ``logits`` (N, L) and trained-gauge ``maps`` (N, L, h, w) of each face, and
    ``mirrored_maps`` (as seen, not mapped back) and ``mirrored_logits`` of its mirror image."""

    logits: Tensor
    maps: Tensor
    mirrored_maps: Tensor
    mirrored_logits: Tensor

    @property
    def two_view_logits(self) -> Tensor:
        """Logits of face and mirror image averaged, ``(N, L)``."""
        return (self.logits + self.mirrored_logits) / 2


@dataclass(frozen=True)
class MirrorFigures:
    """One model on N faces; NaN where undefined.

    Of each class's map, (N, L): ``consistency``, its correlation with the mirror image's map, mapped back; ``other_faces``, the same with
    that of another face of the same predicted class, the floor of ``consistency``; ``own_symmetry``, with itself mirrored;
    ``own_mirror_found``, 1 where the own mirror image is the nearest among 100 faces; ``own_mirror_found_coarse``, the same of maps
    averaged to 3x3, where no fine pattern could tell faces apart. Of the answers, (N,): ``changed_answers``, 1 where the prediction is
    another in the mirror; ``total_variation`` of the two answers.
    """

    consistency: Floats
    other_faces: Floats
    own_symmetry: Floats
    own_mirror_found: Floats
    own_mirror_found_coarse: Floats
    changed_answers: Floats
    total_variation: Floats


def mirror_figures(outputs: SplitOutputs) -> MirrorFigures:
    """The figures of a model's outputs."""
    maps, mapped_back = centred(outputs.maps.numpy()), flip_back(centred(outputs.mirrored_maps.numpy()))
    predicted = outputs.logits.argmax(1)
    partner = partners(predicted).numpy()
    other_faces = flip_consistency(maps, mapped_back[np.maximum(partner, 0)])
    other_faces[partner < 0] = np.nan
    return MirrorFigures(
        consistency=_floats(flip_consistency(maps, mapped_back)),
        other_faces=_floats(other_faces),
        own_symmetry=_floats(own_symmetry(maps)),
        own_mirror_found=_floats(own_mirror_found(maps, mapped_back)),
        own_mirror_found_coarse=_floats(own_mirror_found(_coarse(maps), _coarse(mapped_back))),
        changed_answers=_floats((predicted != outputs.mirrored_logits.argmax(1)).numpy()),
        total_variation=_floats(total_variation(outputs.logits.softmax(1).numpy(), outputs.mirrored_logits.softmax(1).numpy())),
    )


def _coarse(maps: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return F.adaptive_avg_pool2d(torch.from_numpy(maps), COARSE).numpy()


def partners(predicted: Tensor) -> Tensor:
    """For each face ``(N,)`` another face of the same predicted class: the next one in a random circle of them; -1 if there is none."""
    generator = torch.Generator().manual_seed(PARTNER_SEED)
    partner = torch.full_like(predicted, -1)
    for index in range(int(predicted.max()) + 1):
        members = torch.nonzero(predicted == index).flatten()
        if len(members) > 1:
            circle = members[torch.randperm(len(members), generator=generator)]
            partner[circle] = circle.roll(1)
    return partner


def _floats(values: NDArray[Any]) -> Floats:
    return values.astype(np.float64)
