"""Whether a map depends on what the model learnt: its weights are made random, layer by layer from the output down.

Cascading randomisation: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018. Efficient MPRT, which asks whether the map of a
model of random weights is more complex: Hedström et al., Sanity Checks Revisited, 2023. An edge detector, which never looks at the weights,
is the explanation that must fail.

A layer is made random by a random order of its own weights: as strong as before, so that signals neither die nor explode, and nothing
learnt is left. Every ten faces have random weights of their own, and the intervals are over these groups: one draw of weights moves the
maps of all its faces alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy

import numpy as np
import torch
from scipy.stats import entropy, rankdata
from torch import Tensor
from torch.nn import functional as F

from model.certifying.judging import judged_line
from model.certifying.report import Line, Step
from model.certifying.sample import Classifier, Sample, with_progress
from model.maps.measures import ratio
from model.measuring.bootstrap import Floats, mean_with_interval
from model.measuring.shuffling import shuffle

GROUP = 10  # faces that share random weights
STEPS = 10  # at which the maps are looked at, of however many layers
BINS = 100  # of the histogram whose entropy is a map's complexity
SIMILARITY_RULE = "pass: with all layers random, the similarity is nearer to random maps' than to the edge detector's (below their middle)"
COMPLEXITY_RULE = "pass: the maps of the model of random weights are more complex than its own (the rise is above 0)"

Explanation = Callable[[Classifier, Tensor, Tensor], Tensor]  # model, images (N, 3, S, S), classes (N,) -> maps (N, h, w)


def edges(images: Tensor, cells: tuple[int, int]) -> Tensor:
    """Strength of the picture's edges (Sobel) in each cell: looks like an explanation, and knows neither model nor class."""
    grey = images.mean(1, keepdim=True)
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])[None, None]
    strength = (F.conv2d(grey, across).square() + F.conv2d(grey, across.mT).square()).sqrt()
    return F.adaptive_avg_pool2d(strength, cells)[:, 0]


def cascade(classifier: Classifier, names: Sequence[str], seed: int) -> Iterator[tuple[int, str, Classifier]]:
    """The classifier with its first, then more, in the end all layers from the output down random: their number, the lowest's name, and it.

    The classifier given stays as it is; the one given out is changed further at the next step.

    Args:
        names: the layers, from the output down.
    """
    with torch.inference_mode(False):  # as for `shuffle`
        copy = deepcopy(classifier)
    generator = torch.Generator().manual_seed(seed)
    looked_at = {round(count) for count in np.linspace(1, len(names), min(STEPS, len(names)))}
    for count, name in enumerate(names, 1):
        shuffle(copy.get_submodule(name).parameters(recurse=False), generator)
        if count in looked_at:
            yield count, name, copy


def similarity(maps: Floats, others: Floats) -> Floats:
    """Size of the Spearman correlation over the cells of maps ``(N, h, w)``, (N,): a map turned to its opposite counts as the same one.

    NaN where either map is flat.
    """
    first, second = (rankdata(values.reshape(len(values), -1), axis=1) for values in (maps, others))
    first, second = first - first.mean(1, keepdims=True), second - second.mean(1, keepdims=True)
    spread = np.sqrt(np.square(first).sum(1) * np.square(second).sum(1))
    correlation: Floats = ratio((first * second).sum(1), spread)
    return np.abs(correlation)


def complexity(maps: Floats) -> Floats:
    """Entropy of the histogram of each map's values ``(N, H, W)``, in nats, (N,); NaN where one is not finite, as after random layers
    that no trained scale holds back."""
    return np.array([entropy(np.histogram(values, bins=BINS)[0]) if np.isfinite(values).all() else np.nan for values in maps])


@torch.inference_mode()
def randomisation_lines(sample: Sample, explain: Explanation, seed: int) -> tuple[Line, Line]:
    """Both lines of an explanation."""
    size = (sample.cells.shape[-2], sample.cells.shape[-1])
    own, bad = _Cascade.of(sample, explain, seed), _edge_maps(sample, size)
    noise, more_noise = np.random.default_rng(seed).standard_normal((2, len(sample.faces), *size))
    chance = _by_group(similarity(noise, more_noise))
    return (
        _similarity_line(own, _by_group(similarity(bad, bad)), chance),
        _complexity_line(sample, own, bad, (noise, more_noise)),
    )


class _Cascade:
    """An explanation's maps ``(N, h, w)``: ``intact`` of the model as it is, ``steps`` of the model ever more random."""

    def __init__(self, names: list[tuple[int, str]], intact: Floats, steps: list[Floats]) -> None:
        self.names = names
        self.intact = intact
        self.steps = steps

    @classmethod
    def of(cls, sample: Sample, explain: Explanation, seed: int) -> _Cascade:
        intact: list[Floats] = []
        groups: list[list[Floats]] = []
        names: list[tuple[int, str]] = []
        for start in with_progress(range(0, len(sample.faces), GROUP), "random weights"):
            part = slice(start, start + GROUP)
            images, classes = sample.images(part), sample.predicted[part]
            intact.append(explain(sample.classifier, images, classes).double().numpy())
            steps = [
                (count, name, explain(model, images, classes).double().numpy())
                for count, name, model in cascade(sample.classifier, sample.layers, seed + start)
            ]
            names = [(count, name) for count, name, _ in steps]
            groups.append([maps for _, _, maps in steps])
        return cls(names, np.concatenate(intact), [np.concatenate(step) for step in zip(*groups, strict=True)])

    def similarities(self) -> list[Floats]:
        return [similarity(self.intact, maps) for maps in self.steps]


def _edge_maps(sample: Sample, cells: tuple[int, int]) -> Floats:
    """The edge detector's maps ``(N, h, w)``: they are the same before and after the weights are made random, which it never looks at."""
    parts = [slice(start, start + GROUP) for start in range(0, len(sample.faces), GROUP)]
    return torch.cat([edges(sample.images(part), cells) for part in parts]).double().numpy()


def _by_group(values: Floats) -> Floats:
    """Means ``(G,)`` over the faces that share random weights; NaN where none of them has a value."""
    groups = [values[start : start + GROUP] for start in range(0, len(values), GROUP)]
    return np.array([np.nan if np.isnan(group).all() else np.nanmean(group) for group in groups])


def _similarity_line(own: _Cascade, bad: Floats, chance: Floats) -> Line:
    steps = [_by_group(values) for values in own.similarities()]
    return judged_line(
        key="weights",
        section="weights",
        title="Similarity of the maps after all layers are random",
        unit="size of Spearman's correlation, 0 to 1",
        source="cascading randomisation: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018",
        rule=SIMILARITY_RULE,
        chance_title="two random maps",
        figure=steps[-1],
        chance=chance,
        margin=(bad + chance) / 2 - steps[-1],
        known_bad=bad,
        steps=tuple(
            Step(layers=count, lowest=name, similarity=mean_with_interval(values))
            for (count, name), values in zip(own.names, steps, strict=True)
        ),
    )


def _complexity_line(sample: Sample, own: _Cascade, bad: Floats, noise: tuple[Floats, Floats]) -> Line:
    def rise(before: Floats, after: Floats) -> Floats:
        simple = complexity(sample.enlarged(before))
        return _by_group(ratio(complexity(sample.enlarged(after)) - simple, simple))  # nothing rises from a flat map

    figure = rise(own.intact, own.steps[-1])
    return judged_line(
        key="complexity",
        section="weights",
        title="Rise of the maps' complexity after all layers are random",
        unit="share of the entropy of a map's values",
        source="efficient MPRT: Hedström et al., Sanity Checks Revisited, XAI in Action workshop, NeurIPS 2023",
        rule=COMPLEXITY_RULE,
        chance_title="from one random map to another",
        figure=figure,
        chance=rise(*noise),
        margin=figure,
        known_bad=rise(bad, bad),
    )
