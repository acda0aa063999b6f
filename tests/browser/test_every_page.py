"""All pages in Chromium: without JavaScript, for screen readers, on phones, and in print."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page

from model.expressions import EXPRESSIONS
from tests.browser.driving import (
    HOPPER,
    PAGES,
    choose,
    violations,
    wait_for_result,
)

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


def test_no_field_is_so_small_that_a_phone_zooms_in(open_page: Callable[..., Page]) -> None:
    fields = "select, input:not([type=file], [type=range], [type=checkbox])"
    for path in ("/", "/tray"):
        page = open_page(path, viewport={"width": 390, "height": 844})
        sizes = page.locator(fields).evaluate_all("fields => fields.map(field => parseFloat(getComputedStyle(field).fontSize))")
        assert min(sizes) >= 16, path


def test_what_is_chosen_shows_where_the_system_sets_the_colours(open_page: Callable[..., Page]) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, forced_colors="active", reduced_motion="reduce")
    wait_for_result(page)
    for chosen, other in (
        ('.chip[aria-pressed="true"]', '.chip[aria-pressed="false"]'),
        ("#cards a[aria-current] span", "#cards a:not([aria-current]) span"),
        ("#grid .tile.predicted .share", "#grid .tile:not(.predicted) .share"),
        ("#grid th.shown .class-button", "#grid th:not(.shown) .class-button"),
    ):
        assert commonest(seen(page.locator(chosen).first)) != commonest(seen(page.locator(other).first)), chosen
    assert page.locator("#grid .tile.predicted .arrow").first.is_visible()
    assert len(np.unique(seen(page.locator(".hero-strip")), axis=0)) > 50  # its blend of colours


def seen(part: Locator) -> np.ndarray:
    """A part of the page as it is on the screen, ``(pixels, 3)``."""
    return np.asarray(Image.open(io.BytesIO(part.screenshot())).convert("RGB")).reshape(-1, 3)


def commonest(colours: np.ndarray) -> list[int]:
    values, counts = np.unique(colours, axis=0, return_counts=True)
    commonest: list[int] = values[counts.argmax()].tolist()
    return commonest


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
            page.click(".display > summary")
        page.click("#theme-toggle")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)", path
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(23, 28, 32)", path
        assert page.locator(".site-nav:visible, .button:visible, .chip:visible, input:visible, select:visible").count() == 0, path
        wide = page.locator("table:visible").evaluate_all("all => all.filter(table => table.getBoundingClientRect().right > 703).length")
        assert wide == 0, path
