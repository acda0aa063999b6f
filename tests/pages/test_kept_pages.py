"""Pages of what was measured: made once, and again when the files they show change."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.errors import ErrorCode, Problem
from app.explaining.pipeline import Pipeline
from app.pages import claims as claims_page
from app.pages.results import Files, of_results
from model.claims.report import CLAIMS_FILE, save_claims
from model.measuring import results
from model.tables import tables
from tests.api_calls import code
from tests.made_results import make_result
from tests.pages.test_pages import make_client, make_report


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
    noted(tables, "load_results")
    return called


@pytest.mark.parametrize(("reason", "tries"), [(ErrorCode.NO_FACE, 1), (ErrorCode.INFERENCE_TIMEOUT, 3)])
def test_a_first_result_is_tried_again_only_where_that_may_help(
    client: TestClient, reason: ErrorCode, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[ErrorCode] = []

    async def fail(*_: object) -> None:
        tried.append(reason)
        raise Problem(reason)

    monkeypatch.setattr(Pipeline, "answer", fail)
    assert [client.get("/").status_code for _ in range(3)] == [200] * 3
    assert tried == [reason] * tries


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


def test_first_visitors_at_once_wait_for_one_reading(tmp_path: Path) -> None:
    read: list[Path] = []

    @lru_cache(maxsize=1)
    def slowly(folder: Path, files: Files) -> int:
        read.append(folder)
        time.sleep(0.3)
        return len(files)

    async def visit() -> list[int]:
        return await asyncio.gather(*(of_results(tmp_path, slowly) for _ in range(4)))

    assert asyncio.run(visit()) == [0] * 4
    assert read == [tmp_path / results.RESULTS_FOLDER]


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
    results.save_result(folder / results.TRIALS_FOLDER, make_result(method="cb", epochs=3))
    pages.append(client.get("/results").text)
    assert len(set(pages)) == 3


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of the files that cannot be used."""
    return [record.fields["reason"] for record in caplog.records if record.levelno == logging.ERROR]  # type: ignore[attr-defined]


def test_damaged_claims(client: TestClient, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The page names the file, what is wrong with it and the command; where it lies is told to the operator alone."""
    (tmp_path / CLAIMS_FILE).write_text("{")
    page, points = client.get("/claims"), client.get("/claims/points/flip_consistency/faces.json")
    assert page.status_code == 500 and page.headers["content-type"].startswith("text/html")
    assert code(points) == (500, "internal_error")
    for told in (page.text, points.json()["detail"]):
        assert "claims.json: field content: Invalid JSON" in told and "unturned claims --data FERPLUS" in told
        assert str(tmp_path) not in told
    assert len(reasons(caplog)) == 2
    assert all(reason.startswith(f"{tmp_path / CLAIMS_FILE}: ") for reason in reasons(caplog))
    report = make_report(0.1)
    save_claims(tmp_path / CLAIMS_FILE, report.model_copy(update={"ours": "nobody"}))
    assert "models does not have nobody" in client.get("/claims").text
    save_claims(tmp_path / CLAIMS_FILE, report)
    assert client.get("/claims").status_code == 200


def test_damaged_result(client: TestClient, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = results.save_result(tmp_path / results.RESULTS_FOLDER, make_result())
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    page = client.get("/results")
    assert page.status_code == 500 and page.headers["content-type"].startswith("text/html")
    assert f"{path.name}: field content: Invalid JSON" in page.text and "Restore it" in page.text
    assert str(tmp_path) not in page.text
    (reason,) = reasons(caplog)
    assert reason.startswith(f"{path}: ")
    path.write_bytes(whole)
    assert client.get("/results").status_code == 200
