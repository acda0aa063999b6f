"""Pages of what was measured: made once, and again when the files they show change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app import claims_page
from model import results
from model.claims_report import CLAIMS_FILE, save_claims
from tests.made_results import make_result
from tests.test_pages import make_client, make_report


@pytest.fixture
def client(random_checkpoints: Path, tmp_path: Path) -> TestClient:
    return make_client(random_checkpoints, tmp_path)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the functions that were called to read what was measured."""
    called: list[str] = []

    def noted(module: Any, name: str) -> None:
        load = getattr(module, name)
        monkeypatch.setattr(module, name, lambda folder: called.append(name) or load(folder))  # type: ignore[func-returns-value]

    noted(claims_page, "load_claims")
    noted(results, "load_results")
    return called


def test_claims(client: TestClient, tmp_path: Path, read: list[str]) -> None:
    for number, shift in enumerate((0.3, -0.3), 1):
        save_claims(tmp_path / CLAIMS_FILE, make_report(shift))
        first, again = (client.get("/claims").text for _ in range(2))
        assert first == again
        assert (">holds<" in first) == (shift > 0)
        assert client.get("/claims/points/flip_consistency/faces.json").status_code == 200
        assert read == ["load_claims"] * number
    (tmp_path / CLAIMS_FILE).unlink()
    assert "unturned claims" in client.get("/claims").text


def test_results(client: TestClient, tmp_path: Path, read: list[str]) -> None:
    folder = tmp_path / results.RESULTS_FOLDER
    pages = []
    for number, method in enumerate(("baseline", "mek"), 1):
        results.save_result(folder, make_result(method=method))
        first, again = (client.get("/results").text for _ in range(2))
        assert first == again
        assert "Nothing was measured yet" not in first
        assert read == ["load_results"] * number
        pages.append(first)
    assert pages[0] != pages[1]
