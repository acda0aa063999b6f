"""All pages in Chromium: without JavaScript, for screen readers, on phones, and with the data set behind them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from model.claims.report import CLAIMS_FILE, save_claims
from model.expressions import EXPRESSIONS
from tests.browser.driving import (
    HOPPER,
    PAGES,
    choose,
    violations,
    wait_for_result,
)
from tests.live_server import LiveServer
from tests.pages.test_pages import make_report

pytestmark = pytest.mark.browser


def test_without_javascript_the_form_gives_the_same_answer_in_words_and_pictures(open_page: Callable[..., Page]) -> None:
    live = open_page()
    wait_for_result(live)
    choose(live, HOPPER)
    still = open_page(java_script_enabled=False)
    assert still.locator("#webcam-open").count() == 0 or not still.locator("#webcam-open").is_visible()
    still.set_input_files("#file", str(HOPPER))
    assert not live.locator("text=Show the maps").is_visible()  # there a picture is sent as soon as it is chosen
    still.click("text=Show the maps")
    still.wait_for_selector(".still table.maps")
    assert still.locator('.tile img[src^="data:image/webp"]').count() == 28
    assert all(still.locator(".tile img").evaluate_all("images => images.map(image => image.naturalWidth > 0)"))
    for what in (".hero-answer", ".findings li", ".hero-numbers", ".hero-answers", ".cue-share", ".cue .sentence", ".hero-legend"):
        assert still.locator(what).all_text_contents() != []
        assert [" ".join(text.split()) for text in still.locator(what).all_text_contents()] == [
            " ".join(text.split()) for text in live.locator(what).all_text_contents()
        ], what
    assert still.locator(".tile .share").all_inner_texts() == live.locator(".tile .share").all_inner_texts()
    assert still.locator("td.agreement").all_inner_texts() == live.locator("td.agreement").all_inner_texts()
    shown = still.locator('.hero-row [data-map="original"] img')
    assert all(shown.evaluate_all("images => images.map(image => image.naturalWidth > 0)"))
    still.set_input_files("#file", str(HOPPER))
    still.click("text=Take the whole picture as the face")
    still.wait_for_selector(".still table.maps")


def test_without_javascript_a_face_that_is_not_found_can_be_framed_by_hand(open_page: Callable[..., Page], tmp_path: Path) -> None:
    """By a click on the picture, which the page holds, or in numbers; the square lies where it was drawn on the picture as it was sent."""
    Image.new("RGB", (1200, 600), "grey").save(tmp_path / "blank.png")
    page = open_page(java_script_enabled=False, expected=("422",))

    def refuse() -> None:
        page.goto("/")
        page.set_input_files("#file", str(tmp_path / "blank.png"))
        page.click("text=Show the maps")
        assert page.locator("h1").inner_text() == "No face found"

    refuse()
    picture = page.locator('input[type="image"]')
    box = picture.bounding_box()
    assert box is not None and (box["width"], box["height"]) == (256, 128)
    page.fill('input[name="side"]', "70")
    with page.expect_request("**/explain/crop") as sent:
        picture.click(position={"x": 100, "y": 60})
    assert {"middle.x": ["100"], "middle.y": ["60"], "side": ["70"]}.items() <= parse_qs(sent.value.post_data or "").items()
    page.wait_for_selector(".still table.maps")
    for button in ("Explain this square", "Take the whole picture as the face"):
        refuse()
        page.click(f"text={button}")
        page.wait_for_selector(".still table.maps")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_accessibility_violations(open_page: Callable[..., Page], scheme: str) -> None:
    for path in PAGES:
        page = open_page(path, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
        if path == "/":
            wait_for_result(page)
        assert violations(page) == [], path


def test_the_dialogs_have_no_accessibility_violations(open_page: Callable[..., Page]) -> None:
    page = open_page(bypass_csp=True)
    wait_for_result(page)
    for opener, dialog in (("#grid .class-button", "closer"), ("#crop-open", "crop"), ("#webcam-open", "webcam")):
        page.locator(opener).first.click()
        page.wait_for_selector(f"#{dialog}[open]")
        assert violations(page) == [], dialog
        page.keyboard.press("Escape")


def test_no_page_scrolls_sideways_on_a_narrow_phone(open_page: Callable[..., Page]) -> None:
    for path in PAGES:
        page = open_page(path, viewport={"width": 360, "height": 740})
        if path == "/":
            wait_for_result(page)
            assert page.locator("#grid.tall tbody tr").count() == len(EXPRESSIONS)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


def test_labels_that_stay_in_view_leave_a_phone_room_for_the_numbers(open_page: Callable[..., Page]) -> None:
    page = open_page("/results", viewport={"width": 390, "height": 800})
    widths = page.locator('.tables th[scope="row"]').evaluate_all("labels => labels.map(label => label.offsetWidth)")
    assert 0 < max(widths) <= 390 / 2


def test_the_theme_follows_the_system_until_the_visitor_chooses(open_page: Callable[..., Page]) -> None:
    page = open_page("/about", color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme-toggle")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light
    assert page.inner_text("#theme-toggle") == "Dark"


def test_pages_are_printed_light_and_whole(open_page: Callable[..., Page]) -> None:
    """On A4 with margins of 12 mm, from a visitor's dark screen."""
    for path in PAGES:
        page = open_page(path, viewport={"width": 703, "height": 1032})
        if path == "/":
            wait_for_result(page)
        page.click("#theme-toggle")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", path
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(23, 28, 32)", path
        assert page.locator(".site-nav:visible, .button:visible").count() == 0, path
        wide = page.locator("table:visible").evaluate_all("all => all.filter(table => table.getBoundingClientRect().right > 703).length")
        assert wide == 0, path


@pytest.fixture(scope="module")
def server_with_faces(random_checkpoints: Path, ferplus_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("claimed") / "checkpoints"
    shutil.copytree(random_checkpoints, folder)
    save_claims(folder / CLAIMS_FILE, make_report(0.1))
    with LiveServer("-m", "app.cli", "serve", checkpoint_dir=folder, datasets=ferplus_zip.parent) as running:
        yield running.wait_until_ready()


@pytest.mark.dataset
def test_ferplus_faces_can_be_filtered_and_opened(server_with_faces: LiveServer, browser: Browser) -> None:
    page = browser.new_page(base_url=f"http://127.0.0.1:{server_with_faces.port}")
    page.set_default_timeout(60_000)
    page.goto("/faces")
    page.select_option("#seen", "disgust")
    page.click("text=Show")
    page.wait_for_url("**seen=disgust**")
    assert "41 faces" in page.inner_text("main")
    assert violations(page) == []
    face = page.locator(".browser-faces a").first
    number = face.get_attribute("data-sample")
    face.click()
    wait_for_result(page)
    assert number is not None
    assert number.replace("-", " ") in page.inner_text("#credit")
    assert "The whole picture was taken as the face" in page.inner_text("#picture-note")


@pytest.mark.dataset
def test_the_face_behind_a_dot_is_shown(server_with_faces: LiveServer, browser: Browser) -> None:
    page = browser.new_page(base_url=f"http://127.0.0.1:{server_with_faces.port}", viewport={"width": 1280, "height": 900})
    page.goto("/claims")
    points = make_report(0.1).claims[0].points[0]
    highest = max(range(len(points.faces)), key=lambda index: points.ours[index])
    plot = page.locator("svg.scatter").first
    plot.scroll_into_view_if_needed()
    path = plot.locator("path.points").first.get_attribute("d")
    box = plot.bounding_box()
    assert path is not None
    assert box is not None
    x, y = (float(number) for number in path.removeprefix("M").split("h0M")[highest].removesuffix("h0").split())
    unit = box["width"] / float(str(plot.get_attribute("viewBox")).split()[2])
    page.mouse.move(box["x"] + x * unit, box["y"] + y * unit)
    panel = page.locator("[data-face-panel]:visible")
    panel.wait_for()
    assert f"Test face {points.faces[highest]}:" in panel.inner_text()
    assert violations(page) == []
    page.mouse.click(box["x"] + 0.98 * box["width"], box["y"] + 2)  # where no dot is
    page.mouse.move(box["x"] + x * unit, box["y"] + y * unit)
    page.wait_for_timeout(200)
    assert page.url.endswith("/claims")
    page.mouse.click(box["x"] + x * unit, box["y"] + y * unit)
    page.wait_for_url(f"**/#sample=face-{points.faces[highest]}")


@pytest.mark.dataset
def test_thumbnails_beside_a_plot_open_the_live_explorer(server_with_faces: LiveServer, browser: Browser) -> None:
    page = browser.new_page(base_url=f"http://127.0.0.1:{server_with_faces.port}", viewport={"width": 1440, "height": 900})
    page.set_default_timeout(60_000)
    page.goto("/claims")
    plot, thumbnail = page.locator("svg.scatter").first, page.locator(".thumbs a").first
    beside, left = thumbnail.bounding_box(), plot.bounding_box()
    assert beside is not None and left is not None
    assert beside["x"] >= left["x"] + left["width"] and beside["y"] < left["y"] + left["height"]
    number = thumbnail.get_attribute("data-sample")
    thumbnail.click()
    wait_for_result(page)
    assert page.url.endswith(f"/#sample={number}")
    assert page.locator("#grid").is_visible()
