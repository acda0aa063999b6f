"""The explorer in Chromium for the keyboard and for screen readers: where the focus is, what stays open, what is spoken."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.driving import hold, set_value, tile, wait_for_result

pytestmark = pytest.mark.browser


def test_the_skip_link_chooses_nothing(open_page: Callable[..., Page]) -> None:
    page = open_page("/#sample=hopper")
    wait_for_result(page)
    page.click(".display > summary")
    page.select_option("#colours", "jet")
    page.evaluate("""() => new Promise((done) => {
      addEventListener('hashchange', () => done(), { once: true });
      document.querySelector('.skip').click();
    })""")
    assert page.evaluate("document.activeElement.id") == "content"
    assert page.input_value("#colours") == "jet"
    assert page.locator('a[data-sample="hopper"]').get_attribute("aria-current") == "true"
    assert page.url.endswith("/#colours=jet&sample=hopper")  # what the link to the view names


def test_a_class_opens_enlarged_and_the_keyboard_walks_grid_and_dialog(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    tile(page, "baseline", "original", "neutral").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("happiness, baseline, mirrored")
    before = page.inner_text("#readout")
    page.keyboard.press("Shift+ArrowUp")
    assert page.inner_text("#readout") != before
    page.keyboard.press("Enter")
    dialog = page.locator("#closer[open]")
    assert dialog.locator("h2").inner_text() == "happiness"
    assert dialog.locator("figure canvas").count() == 8
    assert "mapped back" in dialog.inner_text()
    page.keyboard.press("ArrowRight")
    assert dialog.locator("h2").inner_text() == "surprise"
    page.keyboard.press("Escape")
    assert page.locator("#closer[open]").count() == 0
    page.locator("#grid .class-button").first.click()
    page.mouse.click(3, 3)  # beside the dialog
    assert page.locator("#closer[open]").count() == 0


@pytest.mark.parametrize("controls", ["#grid .tile", "#grid .class-button", "#cues summary"])
def test_the_keyboard_stays_where_it_is_while_other_maps_arrive(open_page: Callable[..., Page], controls: str) -> None:
    page = open_page()
    wait_for_result(page)
    page.click(".display > summary")
    answers = hold(page, "**/api/v1/explanations*")
    with page.expect_request("**/api/v1/explanations*"):
        page.select_option("#method", "layercam")
    page.locator(controls).nth(2).focus()
    answers[0].continue_()
    wait_for_result(page)
    assert page.evaluate("controls => [...document.querySelectorAll(controls)].indexOf(document.activeElement)", controls) == 2


def test_what_was_opened_stays_open_while_the_look_changes(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.locator("#cues summary").nth(1).click()
    page.click('.chip[data-expression="anger"]')
    set_value(page, "#opacity", "0.5")
    assert page.locator("#cues details").evaluate_all("all => all.map(details => details.open)") == [False, True, False, False]


def test_the_answer_and_its_warnings_are_spoken(open_page: Callable[..., Page]) -> None:
    page = open_page("/#first=mek_sf&second=ours")
    wait_for_result(page)
    warning = page.text_content("#warnings")
    assert warning is not None and "the same network" in warning
    assert page.text_content("#status-text") == f"Done. {page.text_content('.hero-answer')} {warning}"


def test_the_numbers_of_a_spot_are_spoken_once(open_page: Callable[..., Page]) -> None:
    """A screen reader speaks whatever is put into a live region, be it what was there before."""
    page = open_page()
    wait_for_result(page)
    page.evaluate("""() => {
      window.spoken = 0;
      new MutationObserver((changes) => { window.spoken += changes.length; })
        .observe(document.getElementById('readout'), { childList: true, characterData: true, subtree: true });
    }""")
    assert page.get_attribute("#readout", "aria-live") == "polite"
    set_value(page, "#opacity", "0.5")
    assert page.evaluate("window.spoken") == 0
    assert page.locator(".readout >> text=Point at a map").is_visible()
    canvas = tile(page, "baseline", "original", "fear").locator("canvas")
    canvas.hover(force=True)
    assert page.evaluate("window.spoken") > 0
    assert "fear at row 3, column 3" in page.inner_text("#readout")
    assert not page.locator(".readout >> text=Point at a map").is_visible()
    page.evaluate("window.spoken = 0")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2 + 2, box["y"] + box["height"] / 2 + 2)
    set_value(page, "#opacity", "0.4")
    assert page.evaluate("window.spoken") == 0
