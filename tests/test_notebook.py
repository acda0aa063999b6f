"""``show`` in a notebook: numbers of the service, nothing fetched from anywhere, drawn in a browser."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from urllib.request import pathname2url

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from app.choices import FigureFormat
from app.drawing.figure import draw_figure
from app.explaining.explanation import Explanation
from app.notebook import Shown, figure, load, show
from model.errors import InputError
from model.expressions import EXPRESSIONS
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


def test_a_loaded_model_explains_with_the_identity_of_exact_maps(random_checkpoints: Path) -> None:
    model = load(random_checkpoints / "mek_sf.safetensors")

    async def cell() -> tuple[Explanation, ...]:
        return model.explain(HOPPER)

    (face,) = asyncio.run(cell())  # as a notebook calls it: with an event loop running
    assert face.predicted in EXPRESSIONS and set(face.consistency) == set(EXPRESSIONS)
    np.testing.assert_allclose(face.maps.maps.mean((2, 3)) + face.maps.bias, face.maps.logits, atol=1e-5)


def test_the_figure_is_that_of_the_service(random_checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))
    drawn = figure(HOPPER, [load(random_checkpoints / f"{name}.safetensors") for name in ("baseline", "mek_sf")])
    assert drawn == draw_figure(show(HOPPER, ("baseline", "mek_sf")).explained, FigureFormat.PNG)


def test_models_of_one_name_are_refused(random_checkpoints: Path) -> None:
    model = load(random_checkpoints / "baseline.safetensors")
    for models in ([model, model], []):
        with pytest.raises(InputError, match="each with a name of its own"):
            figure(HOPPER, models)


@pytest.mark.browser
def test_it_shows_both_models_and_asks_for_nothing(shown: Shown, tmp_path: Path) -> None:
    html = shown._repr_html_()
    assert not re.search(r'(src|href)="(?!data:)', html) and "<script" not in html
    for model in shown.explained.faces[0].models:
        share = float(model.probabilities[0][EXPRESSIONS.index("fear")])
        assert f"p of fear: {100 * share:.1f} %" in html
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
