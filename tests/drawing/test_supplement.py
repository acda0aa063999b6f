"""The supplement's figures: the faces that the printed rule chooses, and no others."""

from __future__ import annotations

import csv
import html
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from app.choices import FigureFormat
from app.drawing.figure import draw_figure
from app.drawing.supplement import RULE, nearest_to_median, supplement_figures
from app.explaining import service
from app.explaining.explainer import Explainer
from app.pages import router as pages
from app.pages.state import PageState
from model.data.faces import FaceSet
from model.data.ferplus import VOTE_COLUMNS
from model.expressions import EXPRESSIONS
from model.reference import load_checkpoint
from tests.made_explainers import reference_explainer
from tests.made_service import loaded_service

MODELS = ("baseline", "ours")


@pytest.fixture(scope="module")
def explainer(random_checkpoints: Path) -> Explainer:
    names = ("baseline", "mek_sf")
    return reference_explainer({name: load_checkpoint(random_checkpoints / f"{name}.safetensors") for name in names}, "mek_sf")


def made_faces() -> FaceSet:
    """Four faces of every expression, made of noise, and two without a label."""
    labels = torch.tensor([*range(7)] * 4 + [-1, -1])
    images = torch.randint(0, 256, (len(labels), 48, 48), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    names = tuple(f"{number:02}.png" for number in range(len(labels)))
    return FaceSet(images, labels, torch.zeros(len(labels), 10, dtype=torch.int64), names)


def test_nearest_to_the_median_with_ties_by_name() -> None:
    # the median of these five is 0.5; d and b are equally far from it
    assert nearest_to_median(np.array([1.0, 0.75, 0.5, 0.25, 0.0]), ["a", "d", "c", "b", "e"]) == [2, 3, 1, 0, 4]
    # of four, 0.25 is the lower of the middle two
    assert nearest_to_median(np.array([1.0, 0.5, 0.25, 0.0]), ["a", "b", "c", "d"]) == [2, 1, 3, 0]


def test_the_five_faces_are_those_of_the_rule(explainer: Explainer) -> None:
    faces = made_faces()
    figures = supplement_figures(explainer, explainer.resolve(MODELS), faces)
    assert [figure.stem for figure in figures] == ["happiness", "sadness-1", "sadness-2", "anger", "surprise"]
    for figure in figures:
        (face,) = figure.explained.faces
        label = figure.stem.partition("-")[0]
        assert face.label == label
        assert [model.title for model in face.models] == ["baseline", "ours (mek_sf)"]
        scores = {}
        for position in torch.nonzero(faces.labels == EXPRESSIONS.index(label)).flatten().tolist():
            views = (faces.images[position : position + 1], faces.images[position : position + 1].flip(-1))
            probabilities = [
                torch.tensor(explainer.predictors[checkpoint.name](view.numpy()).logits).softmax(1)[0, EXPRESSIONS.index(label)].item()
                for checkpoint in explainer.resolve(MODELS).values()
                for view in views
            ]
            scores[faces.names[position]] = sum(probabilities) / 4
        median = sorted(scores.values())[1]  # of four
        distances = {name: abs(score - median) for name, score in scores.items()}
        nearest = sorted(distances, key=distances.__getitem__)
        chosen = face.caption.removeprefix("FERPlus test, ")
        assert chosen == nearest[1 if figure.stem == "sadness-2" else 0]
        np.testing.assert_array_equal(face.picture, faces.images[faces.names.index(chosen)].numpy())


@pytest.fixture
def client(explainer: Explainer, tmp_path: Path) -> Iterator[TestClient]:
    """The pages with a data set of the made faces."""
    faces = made_faces()
    (tmp_path / "FER2013Test").mkdir()
    rows = []
    for image, label, name in zip(faces.images, faces.labels.tolist(), faces.names, strict=True):
        Image.fromarray(image.numpy()).save(tmp_path / "FER2013Test" / name)
        voted = EXPRESSIONS[label] if label >= 0 else "unknown"
        votes = [10 if column == voted else 0 for column in VOTE_COLUMNS]
        rows.append(["PrivateTest", name, *votes])
    with (tmp_path / "fer2013new.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["Usage", "Image name", *VOTE_COLUMNS], *rows])
    app = FastAPI()
    app.include_router(pages.router)
    app.state.service = running = loaded_service(explainer, datasets=tmp_path)
    app.state.pages = PageState()
    with TestClient(app) as client:
        yield client
    running.executor.shutdown()
    running.drawer.shutdown()


def test_the_page_chooses_the_faces_once_and_serves_the_figures(
    client: TestClient, explainer: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = client.get("/supplement")
    assert first.headers["refresh"] == "3" and "% done" in first.text
    assert client.get("/supplement/anger.png").status_code == 404
    deadline = time.monotonic() + 300
    while "refresh" in (answer := client.get("/supplement")).headers:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert RULE in html.unescape(answer.text)
    by_rule = supplement_figures(explainer, explainer.resolve(MODELS), made_faces())
    for figure in by_rule:
        assert f"/supplement/{figure.stem}.pdf" in answer.text and figure.explained.faces[0].caption in answer.text
    served = client.get("/supplement/anger.png")
    assert served.headers["content-type"] == "image/png"
    assert served.content == draw_figure(by_rule[3].explained, FigureFormat.PNG)
    assert client.get("/supplement/neutral.png").status_code == 404
    assert len(by_rule) < service.MOST_FIGURES  # a browser asks for all of them at once
    monkeypatch.setattr(service, "MOST_FIGURES", 0)
    assert client.get("/supplement/anger.png").content == served.content  # drawn once, for all
    refused = client.get("/supplement/anger.pdf")
    assert refused.status_code == 503 and refused.headers["retry-after"]


def test_without_a_data_set_there_is_no_page(client: TestClient) -> None:
    client.app.state.service.settings = SimpleNamespace(datasets=None)  # type: ignore[attr-defined]
    assert client.get("/supplement").status_code == 404


def test_too_few_faces_are_refused(explainer: Explainer) -> None:
    with pytest.raises(ValueError, match="0 happiness faces"):
        supplement_figures(explainer, explainer.resolve(MODELS), made_faces().subset(torch.tensor([0])))


def test_the_rule_says_what_is_measured() -> None:
    assert "median" in RULE and "probability of the label" in RULE and "file name" in RULE
