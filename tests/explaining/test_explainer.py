"""Explanations: exact, alike alone and in a batch, equal under mirroring, safe in threads, and true to pytorch-grad-cam."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from app.choices import Gauge, MapMethod
from app.errors import ErrorCode, Problem
from app.explaining.explainer import Explainer
from app.explaining.explanation import Explanation, FoundCue
from app.explaining.loading import load_explainer
from app.explaining.maps import FLIPPED, ORIGINAL
from app.explaining.other_maps import scaled_maps
from app.settings import Settings
from model.classifier import LogitsAlone, linear_head
from model.expressions import EXPRESSIONS
from model.geometry import Point, ferplus_geometry
from model.maps.measures import centred
from model.preprocessing import network_input
from model.reference import ReferenceCheckpoint, load_checkpoint
from tests.made_checkpoints import make_checkpoint
from tests.made_explainers import reference_explainer

OTHER_METHODS = [method for method in MapMethod if method is not MapMethod.CAM]


def made_faces(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth grey pictures ``(N, 48, 48)`` that differ clearly."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [cv2.resize(rng.integers(0, 256, (6, 6), dtype=np.uint8), (48, 48), interpolation=cv2.INTER_CUBIC) for _ in range(count)]
    )


@pytest.fixture(scope="module")
def explainer(random_checkpoints: Path) -> Explainer:
    return load_explainer(Settings(checkpoint_dir=random_checkpoints))


@pytest.fixture(scope="module")
def loaded(random_checkpoints: Path) -> dict[str, ReferenceCheckpoint]:
    """The same checkpoints in PyTorch."""
    return {name: load_checkpoint(random_checkpoints / f"{name}.safetensors") for name in ("baseline", "mek_sf")}


def gap(a: Explanation, b: Explanation) -> float:
    return max(float(np.abs(a.maps.maps - b.maps.maps).max()), float(np.abs(a.maps.logits - b.maps.logits).max()))


@pytest.mark.parametrize("gauge", Gauge)
def test_maps_and_bias_give_the_logits(explainer: Explainer, gauge: Gauge) -> None:
    for face in explainer.explain(made_faces(3), explainer.resolve(["baseline", "ours"]), gauge=gauge):
        for explanation in face.values():
            maps = explanation.maps
            assert maps.maps.dtype == maps.logits.dtype == maps.bias.dtype == np.float32
            np.testing.assert_allclose(maps.maps.mean((2, 3)) + maps.bias, maps.logits, atol=1e-5)


def test_the_centred_gauge_is_the_trained_one_less_the_mean_class(explainer: Explainer) -> None:
    trained, served = (
        explainer.explain(made_faces(2), explainer.resolve(["baseline"]), gauge=gauge)[1]["baseline"]
        for gauge in (Gauge.TRAINED, Gauge.CENTRED)
    )
    np.testing.assert_allclose(served.maps.maps, trained.maps.maps - trained.maps.maps.mean(1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(served.maps.probabilities, trained.maps.probabilities, atol=1e-6)
    assert served.predicted == trained.predicted
    assert served.cues == trained.cues
    for name in EXPRESSIONS:
        # the paper's error is of the trained gauge in both
        assert served.consistency[name].mse == trained.consistency[name].mse


def test_an_explanation_is_what_the_classifier_says(explainer: Explainer, loaded: dict[str, ReferenceCheckpoint]) -> None:
    face = made_faces(1)
    checkpoint = loaded["baseline"]
    images = network_input(torch.from_numpy(face), checkpoint.metadata.input_size)
    with torch.inference_mode():
        expected = [checkpoint.classifier(images), checkpoint.classifier(images.flip(-1))]
    maps = explainer.explain(face, explainer.resolve(["baseline"]), gauge=Gauge.TRAINED)[0]["baseline"].maps
    for view in (ORIGINAL, FLIPPED):
        np.testing.assert_allclose(maps.logits[view], expected[view].logits[0], atol=1e-5)
        np.testing.assert_allclose(maps.maps[view], expected[view].maps[0], rtol=1e-5, atol=5e-5)


def test_ours_is_the_checkpoint_of_the_manifest(explainer: Explainer) -> None:
    face = explainer.explain(made_faces(1), explainer.resolve(["ours", "mek_sf", "baseline"]))[0]
    assert list(face) == ["ours", "mek_sf", "baseline"]
    assert (face["ours"].maps.name, face["ours"].maps.checkpoint) == ("ours", "mek_sf")
    assert gap(face["ours"], face["mek_sf"]) == 0.0
    assert gap(face["ours"], face["baseline"]) > 0.1


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_face_is_explained_alike_alone_and_among_others(explainer: Explainer, count: int) -> None:
    faces = made_faces(count)
    together = explainer.explain(faces, explainer.resolve(["baseline"]))
    for index in range(count):
        alone = explainer.explain(faces[index : index + 1], explainer.resolve(["baseline"]))[0]["baseline"]
        assert gap(together[index]["baseline"], alone) < 1e-6 * np.abs(alone.maps.maps).max()


def test_the_two_views_swap_on_the_mirrored_picture(explainer: Explainer) -> None:
    face = made_faces(1)
    given = explainer.explain(face, explainer.resolve(["baseline"]))[0]["baseline"]
    mirrored = explainer.explain(face[:, :, ::-1], explainer.resolve(["baseline"]))[0]["baseline"]
    np.testing.assert_allclose(mirrored.maps.maps, given.maps.maps[::-1], atol=1e-4)
    np.testing.assert_allclose(mirrored.maps.logits, given.maps.logits[::-1], atol=1e-4)
    for name in EXPRESSIONS:
        before, after = given.consistency[name], mirrored.consistency[name]
        assert after.pearson == pytest.approx(before.pearson, abs=1e-4)
        assert after.mse == pytest.approx(before.mse, abs=1e-4)


@pytest.mark.parametrize("method", MapMethod)
def test_many_threads_give_what_one_gives(explainer: Explainer, method: MapMethod) -> None:
    faces = made_faces(8)
    jobs = [(index % 8, ("baseline", "mek_sf")[index % 2]) for index in range(64)]

    def explain(job: tuple[int, str]) -> Explanation:
        index, name = job
        return explainer.explain(faces[index : index + 1], explainer.resolve([name]), method)[0][name]

    serial = {job: explain(job) for job in set(jobs)}
    with ThreadPoolExecutor(32) as pool:
        for job, explanation in zip(jobs, pool.map(explain, jobs), strict=True):
            assert gap(explanation, serial[job]) < 1e-5
            assert explanation.cues == serial[job].cues


def test_explaining_leaves_the_models_as_they_are(loaded: dict[str, ReferenceCheckpoint]) -> None:
    explainer = reference_explainer(loaded, "mek_sf")
    for method in MapMethod:
        explainer.explain(made_faces(2), explainer.resolve(["baseline"]), method)
    classifier = loaded["baseline"].classifier
    for module in classifier.modules():
        assert not module._forward_hooks and not module._backward_hooks and not module.training
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in classifier.parameters())


def test_no_gradient_is_recorded_in_a_worker_thread(loaded: dict[str, ReferenceCheckpoint], monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = reference_explainer(loaded, "mek_sf")
    network = loaded["baseline"].classifier.network
    seen: list[bool] = []
    forward = type(network).forward

    def watched(self: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
        seen.append(torch.is_inference_mode_enabled())
        features: torch.Tensor = forward(self, images)
        assert not features.requires_grad
        return features

    monkeypatch.setattr(type(network), "forward", watched)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(explainer.explain, made_faces(1), explainer.resolve(["baseline"]), MapMethod.GRADCAM).result()
    assert seen == [True]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_a_problem(tmp_path: Path, value: float) -> None:
    checkpoint = make_checkpoint(tmp_path / "broken.safetensors", 0)
    checkpoint.classifier.head.bias[2] = value
    with pytest.raises(Problem) as caught:
        reference_explainer({"broken": checkpoint}, "broken").explain(made_faces(1), {"broken": checkpoint})
    assert caught.value.code is ErrorCode.NON_FINITE_OUTPUT


def test_an_unknown_model_is_a_problem(explainer: Explainer) -> None:
    with pytest.raises(Problem) as caught:
        explainer.resolve(["baseline", "../x"])
    assert caught.value.code is ErrorCode.INVALID_PARAMETER
    assert "../x" not in caught.value.detail


def test_no_evidence_is_said_and_never_placed(tmp_path: Path) -> None:
    blind = make_checkpoint(tmp_path / "blind.safetensors", 0)
    blind.classifier.head.weight.zero_()
    explanation = reference_explainer({"blind": blind}, "blind").explain(made_faces(1), {"blind": blind})[0]["blind"]
    assert [(cue.place, cue.evidence, cue.share, cue.peak, cue.mirror_agrees) for cue in explanation.cues] == [
        (None, 0.0, 0.0, None, False)
    ] * 2
    assert all(c.pearson is None and c.iou is None and c.relative_mse is None and c.mse == 0.0 for c in explanation.consistency.values())


def test_cues_are_named_by_the_landmarks(explainer: Explainer) -> None:
    faces = made_faces(8)
    mean = ferplus_geometry().landmarks
    # a face far away in the crop's corner, so that every cell's centre is outside it; and one without extent
    tiny = {name: (0.02 * x, 0.02 * y) for name, (x, y) in mean.items()}
    point = dict.fromkeys(mean, (0.5, 0.5))

    def cues(landmarks: list[dict[str, Point]] | None) -> list[FoundCue]:
        explained = explainer.explain(faces, explainer.resolve(["baseline", "ours"]), landmarks=landmarks)
        return [cue for face in explained for explanation in face.values() for cue in explanation.cues if cue.place is not None]

    plain = cues(None)
    assert len(plain) >= 3 and len({cue.place for cue in plain}) >= 2
    assert cues([mean] * 8) == plain
    assert cues([tiny] * 8) == [replace(cue, place="periphery") for cue in plain]
    assert cues([point] * 8) == plain


def test_a_cue_is_compared_with_the_mirrored_map_turned_back(explainer: Explainer) -> None:
    found, not_turned_back = [], []
    for face in explainer.explain(made_faces(6), explainer.resolve(["baseline", "mek_sf"])):
        for explanation in face.values():
            for cue in explanation.cues:
                original, flipped = explanation.maps.maps[:, EXPRESSIONS.index(cue.expression)]
                peaks = [np.unravel_index(view.argmax(), view.shape) for view in (original, flipped[:, ::-1], flipped)]
                near = [bool(np.abs(np.subtract(peaks[0], peak)).max() <= 1 and original.max() > 0 < flipped.max()) for peak in peaks[1:]]
                assert cue.mirror_agrees is near[0]
                assert cue.peak == (tuple(peaks[0]) if original.max() > 0 else None)
                assert (cue.place is not None) is (cue.share >= 2 / 3)
                found.append(near[0])
                not_turned_back.append(near[1])
    assert set(found) == {True, False} and found != not_turned_back


def test_cam_is_grad_cam_for_a_pooled_head_up_to_grad_cams_scaling(explainer: Explainer, loaded: dict[str, ReferenceCheckpoint]) -> None:
    """pytorch-grad-cam with its own hooks on the whole network, against this project's closed form."""

    class Logits(torch.nn.Module):
        def __init__(self, checkpoint: ReferenceCheckpoint) -> None:
            super().__init__()
            self.classifier = checkpoint.classifier

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.classifier(images).logits
            return logits

    checkpoint = loaded["mek_sf"]
    size = checkpoint.metadata.input_size
    faces = made_faces(2)
    images = network_input(torch.from_numpy(faces), size)
    images = torch.cat([images, images.flip(-1)]).requires_grad_()
    ours = explainer.explain(faces, explainer.resolve(["mek_sf"]), gauge=Gauge.TRAINED)
    theirs = GradCAM(Logits(checkpoint), [checkpoint.classifier.network])
    try:
        for index in range(7):
            expected = theirs(images, [ClassifierOutputTarget(index)] * 4)
            for item in range(4):
                cells = np.maximum(ours[item % 2]["mek_sf"].maps.maps[item // 2, index], 0)
                resized = np.asarray(cv2.resize(min_max(cells), (size, size)))
                np.testing.assert_allclose(np.asarray(min_max(resized)), expected[item], atol=1e-5)
    finally:
        theirs.activations_and_grads.release()


def min_max(cells: NDArray[Any]) -> NDArray[Any]:
    shifted = cells - cells.min()
    return np.asarray(shifted / (1e-7 + shifted.max()))


def by_hand(method: MapMethod, features: NDArray[np.float64], gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each method's map ``(h, w)`` as its paper defines it, from features and gradients ``(C, h, w)``."""
    positive = np.maximum(gradient, 0)
    square, cube = gradient**2, gradient**3
    alpha = square / (2 * square + features.sum((1, 2), keepdims=True) * cube + 1e-6)
    forms: dict[MapMethod, Callable[[], NDArray[np.float64]]] = {
        MapMethod.GRADCAM: lambda: (gradient.mean((1, 2), keepdims=True) * features).sum(0),  # Selvaraju et al. 2017, eq. 1 and 2
        MapMethod.GRADCAM_PLUS_PLUS: lambda: ((alpha * positive).sum((1, 2), keepdims=True) * features).sum(0),  # Chattopadhay et al. 2018
        MapMethod.LAYERCAM: lambda: (positive * features).sum(0),  # Jiang et al. 2021
        MapMethod.HIRESCAM: lambda: (gradient * features).sum(0),  # Draelos and Carin 2020
    }
    return np.maximum(forms[method](), 0)


@pytest.mark.parametrize("method", OTHER_METHODS)
@pytest.mark.parametrize("kind", ["pooled", "positional"])
def test_methods_are_those_of_their_papers(method: MapMethod, kind: str) -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((7, 6, 4, 4), dtype=np.float32)
    head = linear_head(torch.tensor(weight[:, :, 0, 0] if kind == "pooled" else weight), torch.zeros(7))
    if kind == "pooled":
        weight = np.broadcast_to(weight[:, :, :1, :1] / 16, weight.shape)
    features = rng.random((5, 6, 4, 4), dtype=np.float32)
    trained, against_mean = (scaled_maps(method, LogitsAlone(head), features, centre) for centre in (False, True))
    for item in range(5):
        for index in range(7):
            for found, gradient in ((trained, weight), (against_mean, centred(weight, 0))):
                expected = by_hand(method, features[item].astype(np.float64), gradient[index].astype(np.float64))
                if expected.max() == 0:
                    assert found[item, index].max() == 0
                    continue
                shifted = expected - expected.min()  # grad-cam adds 1e-7 to the divisor, which small maps notice
                np.testing.assert_allclose(found[item, index] / found[item, index].max(), shifted / shifted.max(), atol=1e-4)


@pytest.mark.parametrize("method", OTHER_METHODS)
def test_other_methods_scale_each_map_and_keep_logits_and_cues(explainer: Explainer, method: MapMethod) -> None:
    exact = explainer.explain(made_faces(2), explainer.resolve(["baseline"]))[1]["baseline"]
    other = explainer.explain(made_faces(2), explainer.resolve(["baseline"]), method)[1]["baseline"]
    assert other.maps.maps.shape == exact.maps.maps.shape and other.maps.maps.dtype == np.float32
    assert other.maps.maps.min() >= 0 and other.maps.maps.max() <= 1
    np.testing.assert_array_equal(other.maps.logits, exact.maps.logits)
    assert other.cues == exact.cues
