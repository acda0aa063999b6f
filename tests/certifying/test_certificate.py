"""Every line of a certificate on cases worked by hand, on networks whose answer is known, and on explanations that must fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from model.certifying.completeness import completeness_line
from model.certifying.judging import judge
from model.certifying.mirror import mirror_lines
from model.certifying.perturbation import area, faithfulness_lines, probability_curves
from model.certifying.randomisation import cascade, complexity, edges, randomisation_lines, similarity
from model.certifying.regions import ACTION_UNITS, PROTOTYPES, expression_area, region_lines
from model.certifying.sample import Classifier, Sample, attention_maps, balanced_sample
from model.classifier import ExpressionClassifier, PooledHead, PositionalHead, Prediction
from model.data.faces import FaceSet
from model.expressions import EXPRESSIONS
from model.geometry import ferplus_geometry
from model.importing.integrated import ImportedClassifier, IntegratedHead
from model.maps.face_regions import PERIPHERY, PLACES
from model.maps.measures import centred
from model.measuring.estimate import Estimate
from model.networks import Grid
from model.preprocessing import network_input

# grad-cam hands tensors to NumPy functions
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")

CENTRED_INPUT = 49  # three stride-2 layers with padding see the same places from both sides where the size less 1 is a multiple of 8


class Small(nn.Module):
    """Three convolutions of stride 2."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        channels = (3, 8, 8, 8)
        convolutions = [nn.Conv2d(channels[i], channels[i + 1], 3, 2, padding=1) for i in range(3)]
        for convolution in convolutions:
            convolution.weight.data.normal_(0.0, 0.35, generator=generator)
            convolution.bias.data.zero_()  # type: ignore[union-attr]
        self.layers = nn.Sequential(*(layer for convolution in convolutions for layer in (convolution, nn.ReLU())))

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(images / 255.0 - 0.5)
        return features


def small_classifier() -> ExpressionClassifier:
    head = PooledHead(8, len(EXPRESSIONS))
    generator = torch.Generator().manual_seed(4)
    head.weight.data.normal_(0.0, 3.0, generator=generator)
    return ExpressionClassifier(Small(), head).eval().requires_grad_(False)


def faces(count: int, seed: int = 0) -> FaceSet:
    """Smooth random pictures, all expressions in turn."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, 8, 8, generator=generator)
    images = (nn.functional.interpolate(coarse, size=(48, 48), mode="bilinear")[:, 0] * 255).to(torch.uint8)
    labels = torch.arange(count) % len(EXPRESSIONS)
    return FaceSet(images, labels, torch.zeros(count, 10, dtype=torch.int64), tuple(map(str, range(count))))


def sample(classifier: Classifier, count: int = 30, input_size: int = CENTRED_INPUT) -> Sample:
    return Sample.of(classifier, partial(network_input, size=input_size), Grid(first=0, step=8, input=input_size), faces(count))


class RectifiedHead(PooledHead):
    """Maps as many figures draw them, without what speaks against the class; the logits stay what they were."""

    def forward(self, features: Tensor) -> Prediction:
        logits, maps = super().forward(features)
        return Prediction(logits, maps.clamp_min(0))


@pytest.mark.parametrize("make", [lambda: PooledHead(8, 7), lambda: PositionalHead(torch.randn(7, 8, 7, 7), torch.randn(7))])
def test_maps_that_sum_to_the_logit_are_exact(make: Callable[[], PooledHead | PositionalHead]) -> None:
    line = completeness_line(sample(ExpressionClassifier(Small(), make()).eval().requires_grad_(False)))
    assert line.verdict == "pass"
    assert line.figure.value is not None and line.chance.value is not None
    assert line.figure.value < 1e-5 < line.chance.value


def test_rectified_maps_are_not() -> None:
    head = RectifiedHead(8, 7)
    line = completeness_line(sample(ExpressionClassifier(Small(), head).eval().requires_grad_(False)))
    assert line.verdict == "fail"


def test_integrated_gradients_of_layers_that_are_not_linear_are_approximate() -> None:
    layers = nn.Sequential(nn.Flatten(), nn.Linear(8 * 49, 16), nn.ReLU(), nn.Linear(16, 7))
    line = completeness_line(sample(ImportedClassifier(Small(), IntegratedHead(layers, (8, 7, 7))).eval().requires_grad_(False)))
    assert line.verdict == "fail"
    assert line.figure.value is not None and line.chance.value is not None and line.figure.value < line.chance.value


def test_an_imported_model_goes_through_every_line() -> None:
    layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 7))
    looked_at = sample(ImportedClassifier(Small(), IntegratedHead(layers, (8, 7, 7))).eval().requires_grad_(False), 14)
    weights, _ = randomisation_lines(looked_at, attention_maps, 1)
    assert weights.steps[0].lowest == "head.layers.4" and weights.steps[-1].lowest == "network.layers.0"
    lines = [completeness_line(looked_at), *faithfulness_lines(looked_at, 1), *mirror_lines(looked_at, 1)]
    assert all(line.figure.value is not None for line in lines)


def test_similarity_is_the_size_of_spearmans_correlation() -> None:
    maps, others = np.random.default_rng(1).standard_normal((2, 5, 4, 4)).round(1)  # rounded: with ties
    expected = [abs(spearmanr(a.ravel(), b.ravel()).statistic) for a, b in zip(maps, others, strict=True)]
    np.testing.assert_allclose(similarity(maps, others), expected, atol=1e-12)
    np.testing.assert_allclose(similarity(maps, -maps), 1.0)
    assert np.isnan(similarity(maps, np.ones_like(maps))).all()


def test_complexity_is_the_entropy_of_the_values() -> None:
    every_bin = np.arange(100.0).reshape(1, 10, 10)
    two_values = np.array([[[0.0, 1.0], [0.0, 1.0]]])
    np.testing.assert_allclose(complexity(every_bin), math.log(100))
    np.testing.assert_allclose(complexity(two_values), math.log(2))
    assert np.isnan(complexity(np.array([[[0.0, np.inf]], [[0.0, np.nan]]]))).all()  # random weights may be too much for a float


def test_the_cascade_ends_with_every_layer_random_and_leaves_the_model_as_it_was() -> None:
    classifier = small_classifier()
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    lowest = "network.layers.0.weight"
    steps = [(name, model.state_dict()[lowest].clone()) for _, name, model in cascade(classifier, sample(classifier, 1).layers, 1)]
    assert [name for name, _ in steps] == ["head", "network.layers.4", "network.layers.2", "network.layers.0"]
    third, last = steps[2][1], steps[3][1]
    assert torch.equal(third, before[lowest]) and not torch.equal(last, before[lowest])
    assert torch.equal(last.flatten().sort().values, before[lowest].flatten().sort().values)
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())


def test_layers_that_the_answer_passes_by_are_no_layers_of_it() -> None:
    """An imported network keeps its own last layer beside the head that stands for it."""
    classifier = small_classifier()
    classifier.network.fc = nn.Linear(8, 7)
    looked_at = sample(classifier, 14, 48)
    assert looked_at.layers == ("head", "network.layers.4", "network.layers.2", "network.layers.0")
    (grid,) = (line for line in mirror_lines(looked_at, 1) if line.key == "grid")
    assert grid.verdict == "fail"  # nothing but the grid is asymmetric


def test_the_map_of_one_class_alone_is_that_among_all() -> None:
    layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 7))
    classifier = ImportedClassifier(Small(), IntegratedHead(layers, (8, 7, 7))).eval().requires_grad_(False)
    images = network_input(faces(5).images, CENTRED_INPUT)
    classes = torch.tensor([0, 3, 6, 1, 1])
    among_all = centred(classifier(images).maps)[torch.arange(5), classes]
    torch.testing.assert_close(attention_maps(classifier, images, classes), among_all)


def test_exact_maps_pass_and_an_edge_detector_fails() -> None:
    looked_at = sample(small_classifier(), 60)
    exact, _ = randomisation_lines(looked_at, attention_maps, 5)
    assert exact.verdict == "pass"
    assert [step.layers for step in exact.steps] == [1, 2, 3, 4]
    similar, complex_ = randomisation_lines(looked_at, lambda _, images, __: edges(images, (7, 7)), 5)
    assert (similar.verdict, similar.figure.value, similar.known_bad) == ("fail", 1.0, similar.figure)
    assert (complex_.verdict, complex_.figure.value) == ("fail", 0.0)


def test_what_rises_from_a_flat_map_is_undefined() -> None:
    looked_at = sample(small_classifier(), 14)

    def explain(classifier: Classifier, images: Tensor, _: Tensor) -> Tensor:
        maps = edges(images, (7, 7))
        return torch.zeros_like(maps) if classifier is looked_at.classifier else maps

    similar, rise = randomisation_lines(looked_at, explain, 5)
    assert (similar.figure.value, rise.figure.value, rise.verdict) == (None, None, "undecided")


class OneCell(Small):
    """One cell over the whole picture."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).mean((2, 3), keepdim=True)


@pytest.mark.filterwarnings("error")
def test_maps_of_one_cell_are_exact_and_say_nothing_else() -> None:
    looked_at = sample(ExpressionClassifier(OneCell(), small_classifier().head).eval().requires_grad_(False), 14)
    assert completeness_line(looked_at).verdict == "pass"
    of_maps = [*randomisation_lines(looked_at, attention_maps, 1), *mirror_lines(looked_at, 1)]
    assert {line.verdict for line in of_maps if line.key != "changed"} == {"undecided"}


def test_edges_are_where_the_picture_changes() -> None:
    picture = torch.zeros(1, 3, 8, 8)
    picture[..., 4:] = 1.0
    assert edges(torch.ones(1, 3, 8, 8), (2, 2)).abs().max() == 0
    np.testing.assert_allclose(edges(picture, (6, 6))[0], np.tile([0.0, 0.0, 4.0, 4.0, 0.0, 0.0], (6, 1)))


def test_pixels_go_from_the_highest_rank_down() -> None:
    def brightness(pictures: Tensor) -> Tensor:
        """The first class's probability is the sum of the pixels."""
        share = pictures.sum((1, 2, 3))
        return torch.stack([share, 1 - share], 1).log()

    face = torch.tensor([[[[0.5, 0.25], [0.125, 0.0625]]]])
    ranks = np.array([[[1.0, 0.6], [0.3, 0.0]]], np.float32)
    curve = probability_curves(brightness, face, torch.zeros_like(face), ranks, torch.tensor([0]), steps=4)
    np.testing.assert_allclose(curve, [[0.9375, 0.4375, 0.1875, 0.0625, 0.0]], atol=1e-6)
    np.testing.assert_allclose(area(curve), [(0.9375 / 2 + 0.4375 + 0.1875 + 0.0625) / 4], atol=1e-6)


class Corner(nn.Module):
    """Brightness of each of 6x6 places as one channel."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images[:, :1], 8) / 255.0


def test_a_map_that_the_model_does_follow_passes_all_three() -> None:
    """The answer depends on one cell; the dark faces have a bright patch there."""
    weight = torch.zeros(7, 1, 6, 6)
    weight[1, 0, 1, 1] = 8.0
    classifier = ExpressionClassifier(Corner(), PositionalHead(weight, torch.zeros(7))).eval().requires_grad_(False)
    pictures = torch.randint(0, 60, (12, 48, 48), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    pictures[:, 8:16, 8:16] += 180
    set_ = FaceSet(pictures, torch.ones(12, dtype=torch.int64), torch.zeros(12, 10, dtype=torch.int64), tuple(map(str, range(12))))
    follows = Sample.of(classifier, partial(network_input, size=48), Grid(first=4, step=8, input=48), set_)
    assert follows.predicted.eq(1).all()
    against = replace(follows, cells=-follows.cells)
    assert [line.verdict for line in faithfulness_lines(follows, 1)] == ["pass"] * 3
    assert [line.verdict for line in faithfulness_lines(against, 1)] == ["fail"] * 3


@pytest.mark.parametrize(("input_size", "verdict"), [(CENTRED_INPUT, "pass"), (48, "fail")])
def test_an_off_centre_grid_is_told_from_what_the_model_learnt(input_size: int, verdict: str) -> None:
    lines = {line.key: line for line in mirror_lines(sample(small_classifier(), 40, input_size), 1)}
    assert lines["grid"].verdict == verdict
    if verdict == "pass":
        assert lines["grid"].figure.value == pytest.approx(1.0, abs=1e-5)
        consistency = lines["consistency"].figure.value
        assert consistency is not None and consistency < 0.95  # its own kernels are not symmetric


def test_the_grid_is_not_blamed_for_layers_of_other_kinds() -> None:
    layers = nn.Sequential(nn.Flatten(), nn.Linear(8 * 36, 7))
    looked_at = sample(ImportedClassifier(Small(), IntegratedHead(layers, (8, 6, 6))).eval().requires_grad_(False), 14, 48)
    (grid,) = (line for line in mirror_lines(looked_at, 1) if line.key == "grid")
    assert grid.verdict == "undecided" and "Linear stay as they are" in grid.note


def test_the_areas_lie_where_the_landmarks_say() -> None:
    places = {name: tuple(int(48 * value) for value in point) for name, point in ferplus_geometry().landmarks.items()}
    inside = {name: expression_area(name) for name in PROTOTYPES}
    for corner in ("mouth_left", "mouth_right"):
        x, y = places[corner]
        assert inside["happiness"][y, x] and inside["sadness"][y, x] and not inside["anger"][y, x]
    for eye in ("left_eye", "right_eye"):
        x, y = places[eye]
        assert inside["surprise"][y, x] and inside["anger"][y, x] and not inside["disgust"][y, x]
    x, y = places["nose"]
    assert [name for name in PROTOTYPES if inside[name][y, x]] == ["disgust"]
    assert not any(area[0, 0] for area in inside.values())


def test_every_area_has_a_name_and_every_unit_an_area() -> None:
    named = {place for places in ACTION_UNITS.values() for place in places}
    assert named <= {place.removeprefix("left ").removeprefix("right ") for place in PLACES} - {PERIPHERY}
    assert {unit for units in PROTOTYPES.values() for unit in units} == set(ACTION_UNITS)
    assert set(PROTOTYPES) == set(EXPRESSIONS) - {"neutral"}


def test_plausibility_is_never_called_faithfulness() -> None:
    lines = list(region_lines(sample(small_classifier(), 28), 1))
    assert [line.key for line in lines] == [f"region_{name}" for name in PROTOTYPES]
    assert {line.section for line in lines} == {"plausibility"}
    assert "plausibility only" in lines[0].rule


def test_expressions_are_as_frequent_as_they_can_be() -> None:
    everybody = faces(70)
    rare = everybody.subset(torch.tensor([index for index in range(70) if everybody.labels[index] != 6 or index < 14]))
    chosen = balanced_sample(rare, 30, 1)
    assert chosen.counts() == (4, 4, 4, 4, 4, 4, 2)
    assert chosen.names == balanced_sample(rare, 30, 1).names != balanced_sample(rare, 30, 2).names


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((0.1, 0.2), "pass"), ((0.0, 0.2), "undecided"), ((-0.2, 0.1), "undecided"), ((-0.2, 0.0), "fail"), (None, "undecided")],
)
def test_the_margin_alone_decides(interval: tuple[float, float] | None, verdict: str) -> None:
    assert judge(Estimate(value=0.1, interval=interval)) == verdict
