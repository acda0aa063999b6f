"""What the mirror shows of a model, each figure with its control: other faces, symmetry, the sampling grid, changed answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import nn

from model.certifying.judging import judged_line
from model.certifying.report import Line, Section
from model.certifying.sample import Sample
from model.classifier import PooledHead, PositionalHead
from model.maps.measures import RETRIEVAL_FACES, own_symmetry
from model.measuring.bootstrap import Floats
from model.measuring.mirror import mirror_figures
from model.measuring.symmetric_kernels import with_symmetric_kernels

# Kinds of layers that are symmetric, or made so by symmetric kernels.
SYMMETRIC_KINDS = (nn.Conv2d, nn.BatchNorm2d, nn.PReLU, PooledHead, PositionalHead)
SECTION: Section = "mirror"
OTHER_FACE = "another face of the same answer"
OWN_SHARE = 0.5
GRID_ASKED = 0.99
MOST_CHANGED = 0.1
CONSISTENCY_RULE = "pass: a map agrees better with its own mirror image's than with another face's (the mean difference is above 0)"
SYMMETRY_RULE = (
    "pass: a map agrees better with its mirror image's than with itself mirrored (flip consistency less own symmetry is above 0)"
)
FOUND_RULE = f"pass: more than {OWN_SHARE:.0%} of the maps have their own mirror image's as the nearest (this project's bound)"
GRID_RULE = (
    f"pass: at least {GRID_ASKED} where every kernel is symmetric, so that the sampling grid alone can disagree (this project's bound)"
)
CHANGED_RULE = f"pass: the answer changes in the mirror for fewer than {MOST_CHANGED:.0%} of the faces (this project's bound)"
CORRELATION = "Pearson correlation over the cells"
MEK = "Zhang et al., Leave No Stone Unturned, NeurIPS 2023; the controls are this project's"
GRID_SOURCE = "Alsallakh et al., Mind the Pad: CNNs Can Develop Blind Spots, ICLR 2021"


def mirror_lines(sample: Sample, seed: int) -> Iterator[Line]:
    """Flip consistency, own symmetry, own mirror found, the sampling grid, and changed answers."""
    seen = mirror_figures(sample.outputs)
    random = np.random.default_rng(seed).standard_normal(sample.outputs.maps.shape)
    among = min(RETRIEVAL_FACES, len(sample.faces))
    yield judged_line(
        "consistency", SECTION, "Flip consistency of the maps", CORRELATION, MEK, CONSISTENCY_RULE, OTHER_FACE,
        seen.consistency, seen.other_faces, seen.consistency - seen.other_faces,
    )  # fmt: skip
    yield judged_line(
        "symmetry", SECTION, "Own symmetry: a map with itself mirrored", CORRELATION, MEK, SYMMETRY_RULE, "random maps",
        seen.own_symmetry, own_symmetry(random).astype(np.float64), seen.consistency - seen.own_symmetry,
    )  # fmt: skip
    yield judged_line(
        "found", SECTION, f"Own mirror image found among {among} faces", "share of the maps", MEK, FOUND_RULE, f"one in {among}",
        seen.own_mirror_found, np.full_like(seen.own_mirror_found, 1 / among), seen.own_mirror_found - OWN_SHARE,
    )  # fmt: skip
    yield _grid_line(sample)
    yield judged_line(
        "changed", SECTION, "Answers that change in the mirror", "share of the faces", MEK, CHANGED_RULE, "the answer to another face",
        seen.changed_answers, _changed_to_another(sample), MOST_CHANGED - seen.changed_answers,
    )  # fmt: skip


def _grid_line(sample: Sample) -> Line:
    """It cannot fail where layers of other kinds (attention, full connection) may be asymmetric too."""
    grid = mirror_figures(sample.outputs_of(with_symmetric_kernels(sample.classifier)))
    line = judged_line(
        "grid", SECTION, "Flip consistency that the sampling grid allows", CORRELATION, GRID_SOURCE, GRID_RULE, OTHER_FACE,
        grid.consistency, grid.other_faces, grid.consistency - GRID_ASKED,
    )  # fmt: skip
    used = [sample.classifier.get_submodule(name) for name in sample.layers]
    others = {type(layer).__name__ for layer in used if not isinstance(layer, SYMMETRIC_KINDS)}
    if not others or line.verdict != "fail":
        return line
    note = f"Not the grid's alone: the weights of {', '.join(sorted(others))} stay as they are."
    return line.model_copy(update={"verdict": "undecided", "note": note})


def _changed_to_another(sample: Sample) -> Floats:
    """1 where the next face's answer is another."""
    return (sample.predicted != sample.predicted.roll(1)).double().numpy()
