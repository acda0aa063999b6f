"""The columns of a model, against the service's own explanation of the same faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.testing import assert_allclose, assert_array_equal

from model.auditing.answers import BATCH, model_answers
from model.auditing.parts import MODEL_COLUMNS
from model.checkpoints import load_manifest
from model.expressions import EXPRESSIONS
from model.reference import load_checkpoint
from tests.made_explainers import reference_explainer


def made_faces(count: int) -> torch.Tensor:
    """Smooth random pictures ``(count, 48, 48)``."""
    faces = torch.randint(0, 256, (count, 1, 6, 6), generator=torch.Generator().manual_seed(3)).float()
    return torch.nn.functional.interpolate(faces, size=(48, 48), mode="bilinear").squeeze(1).round().to(torch.uint8)


def test_answers_are_those_of_the_service(random_checkpoints: Path) -> None:
    entry = load_manifest(random_checkpoints).checkpoints["baseline"]
    checkpoint = load_checkpoint(random_checkpoints / entry.file, entry)
    faces = made_faces(BATCH + 3)
    answers = model_answers(checkpoint, faces)
    assert list(answers) == list(MODEL_COLUMNS)
    service = reference_explainer({"baseline": checkpoint}, "baseline")
    explained = [said["baseline"] for said in service.explain(faces.numpy(), {"baseline": checkpoint})]
    probabilities = np.stack([explanation.maps.probabilities for explanation in explained])
    assert_allclose(answers["probabilities"], probabilities[:, 0], atol=1e-5)
    assert_allclose(answers["mirror_probabilities"], probabilities[:, 1], atol=1e-5)
    logits = np.stack([explanation.maps.logits for explanation in explained]).mean(1)
    assert_allclose(answers["two_view_probabilities"], np.exp(logits) / np.exp(logits).sum(1, keepdims=True), atol=1e-5)
    maps = np.stack([explanation.maps.maps for explanation in explained])
    assert_allclose(answers["maps"], maps, rtol=2e-3, atol=2e-3 * np.abs(maps).max())
    for column, name in (("flip_consistency", "pearson"), ("own_symmetry", "own_symmetry")):
        expected = [[getattr(explanation.consistency[expression], name) for expression in EXPRESSIONS] for explanation in explained]
        assert_allclose(answers[column], np.array(expected, dtype=float), atol=1e-3)
    weights = np.exp(np.stack([explanation.maps.logits[0] for explanation in explained]).astype(np.float64))
    minor = weights[:, [EXPRESSIONS.index("fear"), EXPRESSIONS.index("disgust")]]
    assert_allclose(answers["minor_scores"], np.log(minor / (weights.sum(1, keepdims=True) - minor)), atol=1e-3)


def test_the_embedding_is_what_the_head_weighs(random_checkpoints: Path) -> None:
    checkpoint = load_checkpoint(random_checkpoints / "baseline.safetensors")
    answers = model_answers(checkpoint, made_faces(4))
    head = checkpoint.classifier.head
    logits = torch.from_numpy(answers["embedding"]).float() @ head.weight.T + head.bias
    assert_allclose(logits.softmax(1).numpy(), answers["probabilities"], atol=5e-3)


def test_the_same_faces_give_the_same_bits(random_checkpoints: Path) -> None:
    checkpoint = load_checkpoint(random_checkpoints / "baseline.safetensors")
    faces = made_faces(5)
    first, second = model_answers(checkpoint, faces), model_answers(checkpoint, faces.clone())
    for name in MODEL_COLUMNS:
        assert_array_equal(first[name], second[name])
