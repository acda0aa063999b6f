"""The cards of the models: what each says of its own training, faces and figures, and where it links."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from fastapi.testclient import TestClient

from app.explaining.explainer import Explainer
from app.pages.models import SUMMARIES
from model.checkpoints import Checkpoint
from model.expressions import EXPRESSIONS
from model.methods.registry import METHODS
from tests.pages.test_pages import make_client


@pytest.fixture
def client(random_checkpoints: Path, tmp_path: Path) -> TestClient:
    return make_client(random_checkpoints, tmp_path)


def test_every_method_is_described() -> None:
    assert set(SUMMARIES) == set(METHODS)


def test_model_page_shows_confusion_counts_and_training_counts(client: TestClient) -> None:
    metadata: Any = client.app.state.service.pipeline.explainer.checkpoints["baseline"].metadata  # type: ignore[attr-defined]
    text = client.get("/models/baseline").text
    assert f"{metadata.training_counts['happiness']:,}" in text
    for count in metadata.metrics["test"]["confusion"][0]:
        assert f">{count}</td>" in text


def test_a_card_says_what_faces_its_own_model_was_trained_on(client: TestClient) -> None:
    explainer: Explainer = client.app.state.service.pipeline.explainer  # type: ignore[attr-defined]
    assert "Grey faces of 48 × 48 pixels" in client.get("/models/baseline").text
    assert "Test faces (PrivateTest)" in client.get("/models/baseline").text
    checkpoint = explainer.checkpoints["baseline"]
    assert isinstance(checkpoint, Checkpoint)
    counts = dict.fromkeys(EXPRESSIONS, 2000) | {"anger": 705, "fear": 281}
    metadata = checkpoint.metadata.model_copy(update={"dataset": "rafdb", "colour": "rgb", "training_counts": counts})
    explainer.checkpoints["baseline"] = replace(checkpoint, metadata=metadata)
    text = client.get("/models/baseline").text
    assert "Colour faces of 100 × 100 pixels, labelled from the picture alone; few faces of fear and anger." in text
    assert "<h2>Test faces</h2>" in text and "PublicTest" not in text


def test_models_of_one_method_are_told_apart_by_the_length_of_their_training(client: TestClient) -> None:
    explainer: Explainer = client.app.state.service.pipeline.explainer  # type: ignore[attr-defined]
    checkpoint = explainer.checkpoints["baseline"]
    assert isinstance(checkpoint, Checkpoint)
    short = checkpoint.metadata.model_copy(update={"epochs": 1, "seed": 7, "imbalance": "150"})
    explainer.checkpoints["short"] = replace(checkpoint, name="short", metadata=short)
    listed = client.get("/models").text
    assert "<dd>10 epochs, seed 1</dd>" in listed and "<dd>1 epoch, seed 7</dd>" in listed
    assert "<dd>FERPlus, all training faces</dd>" in client.get("/models/baseline").text
    assert "<dd>FERPlus, imbalance factor 150</dd>" in client.get("/models/short").text


def test_a_card_compares_with_plain_training_of_the_same_length(client: TestClient) -> None:
    """Longer training alone is a gain, so ten epochs are not held against the baseline's thirty."""
    explainer: Explainer = client.app.state.service.pipeline.explainer  # type: ignore[attr-defined]
    checkpoint = explainer.checkpoints["baseline"]
    assert isinstance(checkpoint, Checkpoint)
    explainer.checkpoints["baseline_10"] = replace(checkpoint, name="baseline_10")
    explainer.checkpoints["baseline"] = replace(checkpoint, metadata=checkpoint.metadata.model_copy(update={"epochs": 30}))
    texts = {name: client.get(f"/models/{name}").text for name in explainer.checkpoints}
    compared = {name: re.findall(r'id="strengths">.*?(?:Against|that of) (\w+)', text) for name, text in texts.items()}
    assert compared == {"baseline": [], "mek_sf": ["baseline_10"], "baseline_10": []}


def test_a_card_compares_no_accuracies_of_different_data_sets(client: TestClient) -> None:
    explainer: Explainer = client.app.state.service.pipeline.explainer  # type: ignore[attr-defined]
    checkpoint = explainer.checkpoints["mek_sf"]
    assert isinstance(checkpoint, Checkpoint)
    compared = re.compile(r'id="strengths">.*?(?:Against|that of) baseline')
    assert compared.search(client.get("/models/mek_sf").text)
    explainer.checkpoints["mek_sf"] = replace(checkpoint, metadata=checkpoint.metadata.model_copy(update={"dataset": "rafdb"}))
    assert not compared.search(client.get("/models/mek_sf").text)


def test_a_plus_in_a_models_name_survives_the_link_to_the_explorer(client: TestClient) -> None:
    explainer: Explainer = client.app.state.service.pipeline.explainer  # type: ignore[attr-defined]
    checkpoint = explainer.checkpoints["baseline"]
    assert isinstance(checkpoint, Checkpoint)
    explainer.checkpoints["a+b"] = replace(checkpoint, name="a+b")
    (address,) = re.findall(r'href="(/models/[^"]*)"[^>]*>a\+b<', client.get("/models").text)
    (explorer,) = re.findall(r'href="/#([^"]*)"', client.get(address).text)
    assert parse_qs(html.unescape(explorer)) == {"first": ["baseline"], "second": ["a+b"]}


def test_a_card_names_the_teachers_and_nothing_that_was_done_without(client: TestClient) -> None:
    explainer: Explainer = client.app.state.service.pipeline.explainer  # type: ignore[attr-defined]
    checkpoint = explainer.checkpoints["baseline"]
    assert isinstance(checkpoint, Checkpoint)
    told = {"resnet18_weights": None, "teachers": {"first": "0" * 64, "second": "1" * 64}}
    metadata = checkpoint.metadata.model_copy(update={"hyperparameters": told})
    explainer.checkpoints["baseline"] = replace(checkpoint, metadata=metadata)
    text = client.get("/models/baseline").text
    assert "<dt>teachers</dt><dd><code>first, second</code></dd>" in text
    assert "resnet18_weights" not in text


def test_markup_in_a_checkpoint_stays_text(client: TestClient) -> None:
    """Its names may not hold any; a constant of the run may, such as the path of a file."""
    explainer: Explainer = client.app.state.service.pipeline.explainer  # type: ignore[attr-defined]
    markup = "<img src=x onerror=alert(1)>"
    checkpoint = explainer.checkpoints["baseline"]
    assert isinstance(checkpoint, Checkpoint)
    metadata = checkpoint.metadata.model_copy(update={"hyperparameters": {"resnet18_weights": markup}})
    explainer.checkpoints["baseline"] = replace(checkpoint, metadata=metadata)
    text = client.get("/models/baseline").text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert markup not in text
