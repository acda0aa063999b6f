"""Whether a map is a sum of the answer: mean over the cells plus bias against the logit.

The logit is computed a second time, the way the head was trained: features pooled first, then weighted. A map that is
only drawn from the features, as Grad-CAM's scaled ones, has no such identity. (Completeness: Sundararajan et al., ICML 2017.)
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from model.certifying.judging import judged_line
from model.certifying.report import Line
from model.certifying.sample import BATCH, Classifier, Sample
from model.classifier import PooledHead
from model.importing.integrated import IntegratedHead
from model.measuring.bootstrap import Floats

TOLERANCE = 1e-3  # logits: rounding of single precision stays far below, a wrong term far above
RULE = f"pass: a face's worst error is below {TOLERANCE:g} logits in the mean; the maps are then called exact, otherwise approximate"


@torch.inference_mode()
def completeness_line(sample: Sample) -> Line:
    """Error of a face: the largest over the classes of ``|mean(map) + bias - logit|``, in logits."""
    sums = sample.outputs.maps.double().mean((2, 3)) + sample.classifier.head.bias.double()
    parts = [sample.images(slice(start, start + BATCH)) for start in range(0, len(sample.faces), BATCH)]
    logits = torch.cat([pooled_first(sample.classifier, sample.classifier.network(images)) for images in parts])
    error, others = _worst(sums - logits), _worst(sums.roll(1, 0) - logits)
    return judged_line(
        key="completeness",
        section="exactness",
        title="A map's mean and the bias make the logit",
        unit="logits of error",
        source="completeness axiom: Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017",
        rule=RULE,
        chance_title="the map of another face",
        figure=error,
        chance=others,
        margin=TOLERANCE - error,
        note=f"The largest error of any face is {error.max():.2g} logits.",
    )


def pooled_first(classifier: Classifier, features: Tensor) -> Tensor:
    """Logits ``(N, L)`` of features ``(N, C, h, w)`` without making maps; of linear heads in double precision."""
    head, values = classifier.head, features.double()
    if isinstance(head, IntegratedHead):
        logits: Tensor = head.layers(features)
        return logits.double()
    weight, bias = head.weight.double(), head.bias.double()
    if isinstance(head, PooledHead):
        return F.linear(values.mean((2, 3)), weight, bias)
    return F.linear(values.flatten(1), weight.flatten(1), bias)


def _worst(errors: Tensor) -> Floats:
    """The largest of each face's errors ``(N, L)``."""
    worst: Floats = errors.abs().amax(1).numpy()
    return worst
