"""Imported models in Chromium: beside this project's own, each with the kind of its maps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import wait_for_result
from tests.live_server import LiveServer
from tests.made_imports import write_random_import

pytestmark = pytest.mark.browser
LONG = "resnet50_ms1m_affectnet_rafdb_ferplus_label_smoothing_epoch_0120"
EXACT = ("torchvision", "timm", "rul", "eac", "mek", "ddamfn", "onnx")


@pytest.fixture(scope="module")
def server(random_checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    models = tmp_path_factory.mktemp("models")
    for recipe in (*EXACT, "dan"):
        write_random_import(recipe, models)
    shutil.copy(models / "timm_raf.safetensors", models / f"{LONG}.safetensors")
    with LiveServer("-m", "app.cli", "serve", checkpoint_dir=random_checkpoints, models=models) as running:
        yield running.wait_until_ready()


def test_imported_models_stand_beside_ours_with_the_kind_of_their_maps(open_page: Callable[..., Page]) -> None:
    page = open_page("/#first=ours&second=dan_raf")
    wait_for_result(page)
    kinds = page.locator("#grid .map-kind")
    expect(kinds.first).to_have_text("exact maps")
    assert kinds.all_inner_texts() == ["exact maps"] * 2 + ["approximate maps"] * 2
    expect(page.locator("#warnings")).to_contain_text("approximate")
    expect(page.locator("#picture-note")).to_contain_text(": grey, 48 × 48 pixels; in colour, 100 × 100 pixels.")
    page.goto("/models/dan_raf")
    expect(page.locator("dl.facts")).to_contain_text("approximate: integrated gradients")


@pytest.mark.parametrize("recipe", EXACT)
def test_an_exact_import_needs_no_such_note(open_page: Callable[..., Page], recipe: str) -> None:
    page = open_page(f"/#first=ours&second={recipe}_raf")
    wait_for_result(page)
    assert page.locator("#grid .map-kind").count() == 0
    assert page.locator("#grid canvas").count() == 4 * 7 + 4
    assert f"{recipe}_raf" in page.inner_text("#grid")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_longest_name_fits_every_screen(open_page: Callable[..., Page], width: int) -> None:
    page = open_page(f"/#first=ours&second={LONG}", viewport={"width": width, "height": 844})
    wait_for_result(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    parts = "#grid .model-name, .legend .name, .cue-share, .swipe-names, .hero-head, .hero-numbers, .hero-legend"
    assert page.locator(parts).evaluate_all("parts => parts.every(part => part.scrollWidth <= part.clientWidth)")
    page.locator("#grid .class-button").first.click()
    assert page.locator("#closer").evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
