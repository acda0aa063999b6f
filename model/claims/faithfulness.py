"""Whether a map shows what the model uses: ROAD (Rong et al., ICML 2022), as grad-cam implements it, on a fixed sample of test faces.

A share of the pixels, those the map ranks highest or lowest, is replaced by noisy linear interpolation from what remains, and the change
of the probability of the predicted class is measured. The score is half of (change without the lowest - change without the highest): 0 for
a map that says nothing, positive for a map that ranks pixels as the model uses them. Pixels are removed from the 48x48 face, before it is
enlarged for the network, so that no removed pixel can be read back from the interpolation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam.metrics.road import ROADLeastRelevantFirstAverage, ROADMostRelevantFirstAverage
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from torch import Tensor, nn
from tqdm import tqdm

from model.claims.report import FaceMean, Faithfulness, RoadFigures
from model.data.faces import FaceSet
from model.geometry import FACE_SIZE
from model.maps.measures import centred
from model.maps.picture import place_cells
from model.measuring.bootstrap import mean_with_interval
from model.preprocessing import network_input
from model.reference import ReferenceCheckpoint

SAMPLE_FACES = 300
SEED = 20231030
KEPT_PER_CENT = (20, 40, 60, 80)  # shares of the pixels that stay
BATCH = 50
RULE = (
    f"{SAMPLE_FACES} labelled faces of the test split, drawn without replacement by torch.randperm with seed {SEED}; for each model the "
    "served map of the class it predicts, and a map of as many cells with values drawn from a standard normal distribution; "
    f"ROAD averaged over keeping {', '.join(map(str, KEPT_PER_CENT))} per cent of the 48x48 pixels; score is a change of probability"
)

Floats = NDArray[np.float64]


class FaceModel(nn.Module):
    """From faces ``(N, 1, 48, 48)`` in 0..1 to logits: the form ROAD works on, whose noise is meant for that range.

    Args:
        logits: of the network's input ``(N, 3, S, S)``, a classifier's in evaluation mode.
        prepare: grey faces ``(N, 48, 48)`` in 0..255 -> the network's input.
    """

    def __init__(self, logits: Callable[[Tensor], Tensor], prepare: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.logits = logits
        self.prepare = prepare

    def forward(self, faces: Tensor) -> Tensor:
        return self.logits(self.prepare(faces[:, 0] * 255.0))


class _IntactOnce(nn.Module):
    """A model that grad-cam's metrics ask for the answer to the same intact faces at every share of pixels: it is computed once."""

    def __init__(self, model: FaceModel, intact: Tensor) -> None:
        super().__init__()
        self.model = model
        self.intact = intact
        self.logits: Tensor = model(intact)

    def forward(self, faces: Tensor) -> Tensor:
        logits: Tensor = self.logits if faces is self.intact else self.model(faces)
        return logits


@dataclass(frozen=True)
class RoadScores:
    """Changes of probability of every face ``(N,)``: ``most`` after removing the highest-ranked pixels, ``least`` the lowest-ranked."""

    most: Floats
    least: Floats

    @property
    def combined(self) -> Floats:
        """Half of ``least - most``."""
        return (self.least - self.most) / 2.0


def pixel_ranks(maps: Floats) -> NDArray[np.float32]:
    """Each map ``(N, H, W)`` as ranks in 0..1, ties in random order: every share of the pixels can be removed exactly."""
    flat = maps.reshape(len(maps), -1)
    ties = np.random.default_rng(SEED).random(flat.shape)
    order = np.stack([np.lexsort((tie, values)) for values, tie in zip(flat, ties, strict=True)])
    ranks = np.empty(flat.shape, dtype=np.float32)
    np.put_along_axis(ranks, order, np.linspace(0.0, 1.0, flat.shape[1], dtype=np.float32)[None].repeat(len(flat), 0), axis=1)
    return ranks.reshape(maps.shape)


def road(model: FaceModel, faces: Tensor, classes: Tensor, maps: Floats) -> RoadScores:
    """ROAD of one map a face.

    Args:
        model: whose answer is watched.
        faces: ``(N, 48, 48)`` uint8.
        classes: ``(N,)``, the class whose probability is watched.
        maps: ``(N, 48, 48)``; only the order of the pixels counts.
    """
    pictures = faces.unsqueeze(1).float() / 255.0
    ranks = pixel_ranks(maps)
    metrics = (ROADMostRelevantFirstAverage(list(KEPT_PER_CENT)), ROADLeastRelevantFirstAverage(list(KEPT_PER_CENT)))
    parts: tuple[list[Floats], list[Floats]] = ([], [])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)  # the imputed pixels' noise
        for start in tqdm(range(0, len(faces), BATCH), "ROAD", leave=False, disable=None):
            batch = slice(start, start + BATCH)
            intact = pictures[batch]
            remembering = _IntactOnce(model, intact)
            targets = [ClassifierOutputSoftmaxTarget(index) for index in classes[batch].tolist()]
            for metric, part in zip(metrics, parts, strict=True):
                part.append(metric(intact, ranks[batch], targets, remembering))
    return RoadScores(*(np.concatenate(part).astype(np.float64) for part in parts))


def sample_faces(faces: FaceSet, count: int = SAMPLE_FACES) -> FaceSet:
    """The fixed sample of a split's labelled faces (all of them if there are fewer than ``count``)."""
    labelled = faces.labelled()
    return labelled.subset(torch.randperm(len(labelled), generator=torch.Generator().manual_seed(SEED))[:count])


def measure_faithfulness(checkpoints: dict[str, ReferenceCheckpoint], sample: FaceSet) -> Faithfulness:
    """ROAD of the maps of several models and of random maps, on the same faces, with 95 % bootstrap intervals over the faces."""
    models: dict[str, RoadFigures] = {}
    gains: dict[str, Floats] = {}
    for name, checkpoint in checkpoints.items():
        map_scores, random_scores = _scores(checkpoint, sample)
        gains[name] = map_scores.combined - random_scores.combined
        models[name] = RoadFigures(
            checkpoint=checkpoint.name,
            map=_summary(map_scores.combined),
            random=_summary(random_scores.combined),
            gain=_summary(gains[name]),
            removing_highest=_summary(map_scores.most),
            removing_lowest=_summary(map_scores.least),
        )
    first, *others = gains
    differences = {f"{name} - {first}": _summary(gains[name] - gains[first]) for name in others}
    return Faithfulness(rule=RULE, faces=len(sample), models=models, differences=differences)


@torch.inference_mode()
def _scores(checkpoint: ReferenceCheckpoint, sample: FaceSet) -> tuple[RoadScores, RoadScores]:
    """ROAD of the predicted class's map and of a random map of every face."""
    metadata = checkpoint.metadata
    predictions = [checkpoint.classifier(network_input(part, metadata.input_size)) for part in torch.split(sample.images, BATCH)]
    predicted = torch.cat([prediction.logits for prediction in predictions]).argmax(1)
    maps = centred(torch.cat([prediction.maps for prediction in predictions]).numpy())
    cells = maps[np.arange(len(predicted)), predicted.numpy()]
    random_cells = np.random.default_rng(SEED).standard_normal(cells.shape)
    model = FaceModel(checkpoint.classifier.logits, partial(network_input, size=metadata.input_size))
    map_scores, random_scores = (
        road(model, sample.images, predicted, place_cells(values, metadata.grid, FACE_SIZE)) for values in (cells, random_cells)
    )
    return map_scores, random_scores


def _summary(values: Floats) -> FaceMean:
    """Mean over the faces ``(N,)`` and its 95 % interval."""
    found = mean_with_interval(values)
    assert found.value is not None and found.interval is not None
    return FaceMean(mean=found.value, interval=found.interval)
