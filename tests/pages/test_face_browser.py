"""The browser of test faces: what its filters find, and its predictions against the explainer's."""

from __future__ import annotations

import asyncio
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.explaining.compute import ComputePool
from app.explaining.loading import load_explainer
from app.http.error_handlers import install_error_handlers
from app.pages.dataset_faces import data_router
from app.pages.face_browser import FaceBrowser, Wanted, WhoIsRight
from app.pages.state import PageState
from app.pages.templating import problem_page
from app.settings import Settings
from model.data.faces import FaceSet
from model.data.ferplus import VOTE_COLUMNS
from model.expressions import EXPRESSIONS
from tests.live_server import png


def make_faces() -> FaceSet:
    """Three faces: surprise with two fear votes, surprise with one, fear itself."""
    votes = torch.zeros(3, len(VOTE_COLUMNS), dtype=torch.int64)
    for row, counts in enumerate([{"surprise": 7, "fear": 2}, {"surprise": 9, "fear": 1}, {"fear": 8, "surprise": 2}]):
        for name, count in counts.items():
            votes[row, VOTE_COLUMNS.index(name)] = count
    labels = torch.tensor([EXPRESSIONS.index(name) for name in ("surprise", "surprise", "fear")])
    images = torch.randint(0, 256, (3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return FaceSet(images, labels, votes, ("a", "b", "c"))


def test_filters_find_minority_votes_and_disagreeing_models(random_checkpoints: Path) -> None:
    explainer = load_explainer(Settings(checkpoint_dir=random_checkpoints))
    first, second = explainer.checkpoints.values()
    browser = FaceBrowser(make_faces())
    assert browser.find(Wanted(seen="fear"), first, second) == [0]
    assert browser.find(Wanted(label="surprise"), first, second) == [0, 1]
    assert browser.find(Wanted(outcome=WhoIsRight.NEITHER), first, second) == []  # nothing is known of the models yet
    pool = ComputePool(1, 60.0)
    for checkpoint in (first, second):
        asyncio.run(browser.predict(checkpoint, explainer.predictors[checkpoint.name], pool))
    pool.shutdown()
    for index in range(3):
        answers = explainer.explain(make_faces().images[index : index + 1].numpy(), explainer.resolve(("baseline", "mek_sf")))[0]
        assert browser.prediction(index, first) == answers["baseline"].predicted
        assert browser.prediction(index, second) == answers["mek_sf"].predicted
        right = {name: answer.predicted == browser.label(index) for name, answer in answers.items()}
        only_second = index in browser.find(Wanted(outcome=WhoIsRight.SECOND_ONLY), first, second)
        assert only_second == (right["mek_sf"] and not right["baseline"])
    assert browser.votes(0) == {"surprise": 7, "fear": 2}


@pytest.mark.dataset
def test_ferplus_browser_has_the_faces_annotators_disagreed_on(ferplus_zip: Path) -> None:
    browser = FaceBrowser.load(ferplus_zip)
    unused: Any = None
    assert len(browser) == 3137
    assert len(browser.find(Wanted(seen="disgust"), unused, unused)) == 41
    assert browser.picture(0).startswith(b"\x89PNG")


def test_a_damaged_data_set_is_a_fault_that_is_logged_and_read_again_once_mended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive = tmp_path / "ferplus.zip"
    archive.write_bytes(b"no zip")
    app = FastAPI()
    app.include_router(data_router)
    install_error_handlers(app, problem_page)
    app.state.service = SimpleNamespace(settings=SimpleNamespace(datasets=tmp_path))
    app.state.pages = PageState()
    with TestClient(app) as client:
        answers = [client.get("/faces/0.json") for _ in range(2)]
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(500, "internal_error")] * 2
        assert "ferplus.zip is damaged, or no zip" in answers[0].json()["detail"]
        assert str(tmp_path) not in answers[0].text
        assert "The test faces cannot be read." in caplog.text
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("fer2013new.csv", f"Usage,Image name,{','.join(VOTE_COLUMNS)}\nPrivateTest,fer0000001.png,0,10,0,0,0,0,0,0,0,0\n")
            file.writestr("FER2013Test/fer0000001.png", png(48, 48))
        assert client.get("/faces/0.json").json() == {"label": "happiness", "votes": {"happiness": 10}}
