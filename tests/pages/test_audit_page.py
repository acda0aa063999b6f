"""The page of an audit's findings: what it lists, in which order, and the faces and facts behind them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.explaining.loading import load_explainer
from app.http.error_handlers import install_error_handlers
from app.pages import router as pages
from app.pages.state import PageState
from app.pages.templating import problem_page
from app.settings import Settings, SettingsError, load_settings
from model.findings.command import write_findings
from tests.made_findings import MadeFace, write_audit
from tests.made_service import loaded_service


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    names = ("neutral", "happiness")
    faces = [MadeFace(f"plain{index}.png", names[index % 2], names[index % 2]) for index in range(8)]
    faces.append(MadeFace("b<wrong>.png", "happiness", "neutral", sure=0.95))
    faces.append(MadeFace("a-wrong.png", "neutral", "happiness", sure=0.92))
    faces.append(MadeFace("broken.png", None, error="corrupt_image: The picture's data are damaged."))
    faces += [MadeFace(f"wall{copy}.png", None, error="no_face: No face was found.", sha256="d" * 64) for copy in range(2)]
    faces.append(MadeFace("small.png", None, faces_found=0))
    write_findings(write_audit(tmp_path / "audit", faces))
    return tmp_path / "audit"


@pytest.fixture
def client(random_checkpoints: Path, audit: Path) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(pages.router)
    install_error_handlers(app, problem_page)
    app.state.service = running = loaded_service(load_explainer(Settings(checkpoint_dir=random_checkpoints)), audit=audit)
    app.state.pages = PageState()
    with TestClient(app) as client:
        yield client
    running.executor.shutdown()
    running.drawer.shutdown()


def listed(page: str) -> list[str]:
    return [html.unescape(name) for name in re.findall(r"<strong>(.+?)</strong>", page.partition("<main")[2].partition("</main>")[0])]


def test_findings_are_filtered_and_sorted(client: TestClient) -> None:
    page = client.get("/audit?kind=label").text
    assert listed(page) == ["b<wrong>.png", "a-wrong.png"]
    assert "2 findings. The label is probably wrong." in page and "suggested: neutral" in page
    assert "may show fear" in client.get("/audit?kind=hidden_fear").text
    assert listed(client.get("/audit?kind=label&order=name").text) == ["a-wrong.png", "b<wrong>.png"]
    everything = client.get("/audit").text
    assert "corrupt_image" in everything and "hidden fear" in everything
    linked = set(re.findall(r"href=\"/audit/(\d+)\"", everything))
    assert {"8", "9", "13"} < linked and not {"10", "11", "12"} & linked  # pictures without a face have none to show
    assert {name for name in listed(everything) if name.startswith("wall")} == {"wall0.png", "wall1.png"}
    assert all(client.get(f"/audit/{row}.png").status_code == 200 for row in linked)
    assert listed(client.get("/audit?kind=label&page=2").text) == []
    for wrong in ("kind=dog", "order=up", "page=0"):
        assert client.get(f"/audit?{wrong}").status_code == 422
    told = client.get("/audit?page=0", headers={"accept": "text/html"})
    assert (told.status_code, told.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert "/css/base.css" in told.text and "/css/base.css" in everything and "/css/reports.css" in everything


def test_a_face_and_its_facts_are_those_of_the_row(client: TestClient) -> None:
    picture = client.get("/audit/8.png")
    assert (picture.headers["content-type"], picture.content[:4]) == ("image/png", b"\x89PNG")
    facts = client.get("/audit/8.json").json()
    assert (facts["name"], facts["label"]) == ("b<wrong>.png", "happiness")
    assert "labelled happiness, which has 1% of the probability; neutral has 95%" in facts["said"]
    for missing in ("/audit/3.json", "/audit/10.png", "/audit/999999999.png"):
        assert client.get(missing).status_code == 404


def test_a_damaged_audit_is_told_and_read_again_once_mended(client: TestClient, audit: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = (audit / "issues.parquet").read_bytes()
    (audit / "issues.parquet").write_bytes(b"PAR1")
    answer = client.get("/audit/8.json")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "The audit cannot be read." in caplog.text and str(audit) not in answer.text
    (audit / "issues.parquet").write_bytes(whole)
    assert client.get("/audit/8.json").status_code == 200


def test_without_an_audit_there_is_no_page(client: TestClient) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    service.settings = service.settings.model_copy(update={"audit": None})
    assert client.get("/audit").status_code == 404


def test_a_folder_without_findings_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNTURNED_AUDIT", str(tmp_path))
    with pytest.raises(SettingsError, match=r"UNTURNED_AUDIT: .*unturned audit --report FOLDER writes it"):
        load_settings()
