"""What the REST API lists: the models and the gallery."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app.main import create_app
from app.settings import Settings
from model.checkpoints import load_manifest
from tests.api_calls import code, made_face, png, post


def test_models(client: TestClient, random_checkpoints: Path) -> None:
    answer = client.get("/api/v1/models").json()
    manifest = load_manifest(random_checkpoints)
    assert answer["ours"] == "mek_sf"
    assert {model["name"]: model["sha256"] for model in answer["models"]} == {name: e.sha256 for name, e in manifest.checkpoints.items()}
    assert answer["models"][0]["metadata"]["training_counts"]["disgust"] == 119
    assert client.get("/api/v1/models/ours").json() == client.get("/api/v1/models/mek_sf").json() == answer["models"][1]
    assert code(client.get("/api/v1/models/nope")) == (404, "model_not_found")


def test_models_are_not_listed_before_they_are_loaded(random_checkpoints: Path) -> None:
    client = TestClient(create_app(Settings(checkpoint_dir=random_checkpoints, allowed_hosts=("testserver",))))
    assert code(client.get("/api/v1/models")) == (503, "not_ready")
    assert code(post(client, png(made_face()))) == (503, "not_ready")


def test_samples(client: TestClient) -> None:
    listed = client.get("/api/v1/samples").json()["samples"]
    assert len(listed) >= 3
    for sample in listed:
        assert sample["title"] and sample["alt"] and sample["credit"] and sample["licence"].startswith("Public domain")
        response = client.get(sample["url"])
        assert response.headers["content-type"] == "image/jpeg"
        with Image.open(io.BytesIO(response.content)) as picture:
            assert picture.format == "JPEG"


@pytest.mark.parametrize("name", ["nope", "..%2f..", "%00", "C:%5C", "%2fetc%2fpasswd", "x" * 2000, "collins.jpg", "index.json", ""])
def test_what_is_no_sample_is_not_found(client: TestClient, name: str) -> None:
    assert code(client.get(f"/api/v1/samples/{name}")) == (404, "sample_not_found")
