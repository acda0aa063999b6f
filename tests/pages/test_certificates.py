"""A model's page shows its certificate, says where there is none, and never shows that of another file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.pages.certificates import certificate_file
from model.certifying.report import Certificate, certificate_path, save_certificate
from model.importing.metadata import ImportedCheckpoint, ImportedMetadata
from model.measuring.estimate import Estimate
from tests.made_certificate import NOTE, made_certificate, made_line
from tests.made_imports import write_random_import
from tests.pages.test_pages import make_client

FILES = ("certificate.json", "certificate.pdf")


@pytest.fixture
def client(random_checkpoints: Path, tmp_path: Path) -> TestClient:
    return make_client(random_checkpoints, tmp_path)


def store(client: TestClient, folder: Path, sha256: str | None = None) -> Certificate:
    """A certificate of `baseline` where the service looks for it."""
    service: Any = client.app.state.service  # type: ignore[attr-defined]
    certificate = made_certificate("baseline", sha256 or service.pipeline.explainer.checkpoints["baseline"].sha256)
    path = certificate_path(folder / "baseline.safetensors")
    path.parent.mkdir()
    save_certificate(path, certificate)
    return certificate


def test_a_model_without_one_says_what_to_run(client: TestClient) -> None:
    for address in ("/models/ours", "/models/ours/certificate"):
        assert "Not certified; run <code>unturned certify checkpoints/mek_sf.safetensors --data FERPLUS</code>" in client.get(address).text
    for name in FILES:
        answer = client.get(f"/models/ours/{name}")
        assert answer.status_code == 404 and "Not certified" in answer.json()["detail"]


def test_a_model_that_cannot_be_certified_says_so(client: TestClient) -> None:
    service: Any = client.app.state.service  # type: ignore[attr-defined]
    checkpoints = service.pipeline.explainer.checkpoints
    checkpoints["theirs"] = ImportedCheckpoint("theirs", ImportedMetadata.model_construct(recipe="onnx"), "0" * 64)
    for answer in (client.get("/models/theirs/certificate").text, client.get("/models/theirs/certificate.json").json()["detail"]):
        assert "Not certified: the layers of an ONNX graph cannot be randomised." in answer and "unturned certify" not in answer


def test_the_command_names_the_folder_of_the_file(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "mek_sf.safetensors").touch()
    assert f"unturned certify {tmp_path.name}/mek_sf.safetensors" in client.get("/models/ours/certificate").text


def test_the_page_shows_every_line_with_rule_control_and_verdict(client: TestClient, tmp_path: Path) -> None:
    certificate = store(client, tmp_path)
    text = client.get("/models/baseline/certificate").text
    for line in certificate.lines:
        assert line.rule in text and line.title in text and f">{line.said}</span>" in text
    assert "4.5e−07 [3.6e−07, 5.4e−07]" in text
    assert "Of 4 lines 2 pass, 1 fail and 1 stay undecided." in text  # plausibility is no question of trust
    assert "not plausible" in text
    assert NOTE not in text and "&lt;b&gt;not markup" in text
    assert text.count("<polyline") == 1
    assert "/css/base.css" in text and "/css/reports.css" in text
    assert "Of 4 lines 2 pass" in client.get("/models/baseline").text


def test_the_files_are_those_of_the_certificate(client: TestClient, tmp_path: Path) -> None:
    certificate = store(client, tmp_path)
    assert json.loads(client.get("/models/baseline/certificate.json").text) == certificate.model_dump(mode="json")
    paper = client.get("/models/baseline/certificate.pdf")
    assert paper.content.startswith(b"%PDF") and paper.headers["content-type"] == "application/pdf"


def test_flip_consistency_stands_beside_its_floor_and_the_grid(client: TestClient, tmp_path: Path) -> None:
    certificate = store(client, tmp_path)
    assert "Flip consistency" not in client.get("/models/baseline").text  # made up without those lines
    lines = [
        made_line(key, "mirror", "pass", Estimate(value=value, interval=None)) for key, value in (("consistency", 0.75), ("grid", 0.96875))
    ]
    save_certificate(certificate_path(tmp_path / "baseline.safetensors"), certificate.model_copy(update={"lines": tuple(lines)}))
    sentence = "Flip consistency 0.750, of the map of another face 0.125; the sampling grid alone allows 0.969."
    assert sentence in client.get("/models/baseline").text


def test_an_imported_model_shows_its_certificate_from_its_folder(random_checkpoints: Path, tmp_path: Path) -> None:
    model = write_random_import("torchvision", tmp_path)
    path = certificate_path(tmp_path / f"{model.name}.safetensors")
    path.parent.mkdir()
    save_certificate(path, made_certificate(model.name, model.sha256))
    client = make_client(random_checkpoints, tmp_path, models=tmp_path)
    address = f"/models/{model.name}"
    assert "Of 4 lines 2 pass" in client.get(address).text
    assert "Title of mirror" in client.get(f"{address}/certificate").text
    assert client.get(f"{address}/certificate.json").json()["sha256"] == model.sha256
    assert client.get(f"{address}/certificate.pdf").content.startswith(b"%PDF")


def test_the_certificate_of_another_file_is_not_shown(client: TestClient, tmp_path: Path) -> None:
    store(client, tmp_path, sha256="0" * 64)
    text = client.get("/models/baseline/certificate").text
    assert "that of another file with this name; measure it again with" in text
    assert "Title of" not in text
    assert client.get("/models/baseline/certificate.pdf").status_code == 404


def test_a_damaged_one_is_told_by_name(client: TestClient, tmp_path: Path) -> None:
    store(client, tmp_path)
    certificate_path(tmp_path / "baseline.safetensors").write_text("{}")
    answer = client.get("/models/baseline/certificate")
    assert answer.status_code == 500
    assert "baseline.json" in answer.text and str(tmp_path) not in answer.text


def test_an_unknown_model_has_none(client: TestClient) -> None:
    assert client.get("/models/nope/certificate").status_code == 404


def test_the_file_asks_for_no_other() -> None:
    html = certificate_file(made_certificate("baseline", "0" * 64))
    assert not re.search(r"\b(src|href)=|@import|url\(|<script|<link", html)
    assert html.startswith("<!doctype html>") and NOTE not in html
