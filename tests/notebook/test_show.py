"""``show`` in a notebook: numbers of the service, nothing fetched from anywhere, drawn in a browser."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from urllib.request import pathname2url

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from app.explaining.loading import load_file
from app.notebook.models import Models, load
from app.notebook.show import Shown, show
from app.numbers import share_text
from model.checkpoints import ManifestEntry
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.importing.metadata import AnyCheckpoint
from model.predictor import Predictor
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.driving import HOPPER


@pytest.fixture
def shown(random_checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """As a notebook calls it: with an event loop running."""
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))

    async def cell() -> Shown:
        return show(HOPPER, expression="fear")

    return asyncio.run(cell())


def test_an_unknown_expression_is_named_before_anything_is_loaded() -> None:
    with pytest.raises(ValueError, match="no expression 'joy': choose one of neutral"):
        show(HOPPER, expression="joy")


@pytest.mark.parametrize("models", [(), []])
def test_no_model_is_refused_before_anything_is_loaded(models: Sequence[str]) -> None:
    with pytest.raises(InputError, match="at least one model is needed"):
        show(HOPPER, models)


def test_only_the_checkpoints_named_are_read_and_once_until_they_change(
    random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(random_checkpoints, tmp_path / "checkpoints"))
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(folder))
    read: list[str] = []

    def counted(path: Path, entry: ManifestEntry | None, threads: int) -> tuple[AnyCheckpoint, Predictor]:
        read.append(path.stem)
        return load_file(path, entry, threads)

    monkeypatch.setattr("app.notebook.models.load_file", counted)
    show(HOPPER, "ours")
    show(HOPPER, "ours")
    assert read == ["mek_sf"]
    os.utime(folder / "mek_sf.safetensors", ns=(1, 1))
    show(HOPPER, "ours")
    assert read == ["mek_sf", "mek_sf"]


def test_a_loaded_model_is_shown_beside_a_named_one(random_checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))
    mine = load(random_checkpoints / "mek_sf.safetensors")
    asked: list[tuple[Models, list[str]]] = [(mine, ["mek_sf"]), ([mine, "baseline"], ["mek_sf", "baseline"])]
    for models, titles in asked:
        (face,) = show(HOPPER, models).explained.faces
        assert [model.title for model in face.models] == titles


def test_models_may_be_named_in_one_text(random_checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))
    (face,) = show(HOPPER, "ours, baseline").explained.faces
    assert [model.title.partition(" ")[0] for model in face.models] == ["ours", "baseline"]
    with pytest.raises(InputError, match=r"^there is no model theirs; there are baseline, mek_sf, ours$"):
        show(HOPPER, "theirs")


def test_a_rare_expression_is_not_written_as_an_impossible_one(shown: Shown) -> None:
    (face,) = shown.explained.faces
    models = tuple(replace(model, logits=model.logits - 20 * np.eye(len(EXPRESSIONS))[EXPRESSIONS.index("fear")]) for model in face.models)
    html = Shown(replace(shown.explained, faces=(replace(face, models=models),)), "fear")._repr_html_()
    assert html.count("p of fear: &lt;0.1\u00a0%, mirrored &lt;0.1\u00a0%") == 2


@pytest.mark.browser
def test_it_shows_both_models_and_asks_for_nothing(shown: Shown, tmp_path: Path) -> None:
    html = shown._repr_html_()
    assert not re.search(r'(src|href)="(?!data:)', html) and "<script" not in html
    for model in shown.explained.faces[0].models:
        share = float(model.probabilities[0][EXPRESSIONS.index("fear")])
        assert f"p of fear: {escape(share_text(share))}" in html
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    page_file = tmp_path / "cell.html"
    page_file.write_text(f'<!doctype html><meta charset="utf-8">{html}')
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = chromium.new_page(viewport={"width": 900, "height": 600})
        page.goto(f"file://{pathname2url(str(page_file))}")
        assert page.locator("img").count() == 6
        assert all(page.locator("img").evaluate_all("images => images.map(image => image.naturalWidth === 160)"))
        assert "in the mirror" in page.inner_text("table") and "flip consistency" in page.inner_text("table")
        page.screenshot(path=tmp_path / "cell.png")
        chromium.close()
