"""The explorer's first look in Chromium: there before any script, one expression at a time, and the face that folds over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Locator, Page

from app.choices import ColourMap
from app.drawing.colours import colour_table
from model.expressions import EXPRESSIONS
from tests.browser.driving import pixels, wait_for_result

pytestmark = pytest.mark.browser

MAPS = '.hero-row [data-map="{}"] canvas'


def test_the_first_result_is_in_the_page_before_any_script_and_the_script_says_the_same(open_page: Callable[..., Page]) -> None:
    bare = open_page(java_script_enabled=False)
    live = open_page()
    wait_for_result(live)
    for slot in ("answer", "findings", "seen", "same", "variation", "p", "r", "own", "expression", "limit"):
        texts = [page.locator(f'.hero [data-slot="{slot}"]').all_text_contents() for page in (bare, live)]
        assert texts[0] == texts[1] != [], slot
    assert bare.locator(".hero-picture img").count() == 6
    for view in ("original", "back", "difference"):
        drawn = bare.locator(f'.hero-row [data-map="{view}"] img').first.evaluate(
            """image => { const canvas = document.createElement('canvas'); canvas.width = canvas.height = 168;
            const drawing = canvas.getContext('2d'); drawing.drawImage(image, 0, 0, 168, 168);
            return Array.from(drawing.getImageData(0, 0, 168, 168).data); }"""
        )
        server = np.array(drawn).reshape(168, 168, 4)[:, :, :3]
        assert (
            np.abs(server - pixels(live, live.locator(MAPS.format(view)).first).astype(int)).mean() < 12
        )  # the server's face is 48 pixels wide


def test_without_a_script_nothing_is_offered_that_needs_one(open_page: Callable[..., Page]) -> None:
    bare = open_page(java_script_enabled=False)
    assert bare.locator(".hero-answer").is_visible()
    assert bare.locator(".hero button:visible").count() == 0
    assert bare.inner_text(".hero-expression") == f"Shown: the maps of {bare.locator('[data-slot=expression]').first.inner_text()}."


def test_the_strip_under_the_maps_has_their_colours(open_page: Callable[..., Page]) -> None:
    page = open_page("/#colours=viridis")
    wait_for_result(page)
    strip = page.locator(".hero-strip canvas")
    np.testing.assert_array_equal(pixels(page, strip)[0], colour_table(ColourMap.VIRIDIS))
    page.click(".display > summary")
    page.select_option("#colours", "discs")
    assert len(np.unique(pixels(page, strip)[0], axis=0)) == 2  # a disc tells the value by its area
    assert "widest disc at" in page.inner_text('[data-slot="limit"]') and "as a disc's area" in page.inner_text("#legends")
    page.select_option("#colours", "signed")
    assert strip.count() == 0


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_first_screen_shows_the_sentence_and_the_maps(open_page: Callable[..., Page], width: int, height: int) -> None:
    page = open_page(viewport={"width": width, "height": height})
    wait_for_result(page)
    for selector in (".hero-answer", MAPS.format("original"), MAPS.format("back")):
        boxes = page.locator(selector).evaluate_all("all => all.map(one => one.getBoundingClientRect().bottom)")
        assert boxes and max(boxes) <= height, selector
    assert page.locator(MAPS.format("difference")).first.is_visible() is (width > 1000)


def test_an_expression_is_chosen_by_its_name(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    before = pixels(page, page.locator(MAPS.format("original")).first)
    chosen = next(name for name in EXPRESSIONS if page.locator(f'.chip[data-expression="{name}"]').get_attribute("aria-pressed") == "false")
    page.click(f'.chip[data-expression="{chosen}"]')
    assert page.locator('.chip[aria-pressed="true"]').all_inner_texts() == [chosen]
    assert page.locator('[data-slot="expression"]').first.inner_text() == chosen
    assert page.url.endswith(f"#focus={chosen}")
    assert not np.array_equal(pixels(page, page.locator(MAPS.format("original")).first), before)


def test_a_finger_drawn_across_the_maps_leads_to_the_next_expression(open_page: Callable[..., Page]) -> None:
    page = open_page("/#focus=neutral", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    wait_for_result(page)
    shown = page.locator('.chip[aria-pressed="true"]')
    picture = page.locator(MAPS.format("original")).first
    for across, expression in ((-90, "happiness"), (90, "neutral"), (-20, "neutral")):
        swipe(picture, across)
        assert shown.inner_text() == expression


def test_a_finger_that_moves_the_expressions_names_chooses_none(open_page: Callable[..., Page]) -> None:
    page = open_page("/#focus=neutral", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    wait_for_result(page)
    swipe(page.locator('.chip[data-expression="surprise"]'), -90)
    assert page.locator('.chip[aria-pressed="true"]').inner_text() == "neutral"


def swipe(target: Locator, across: int) -> None:
    """A finger put on an element and lifted so many pixels to the right."""
    target.evaluate(
        """(target, across) => {
          const at = (x) => new Touch({ identifier: 1, target, clientX: x, clientY: 500 });
          const finger = (kind, touches, x) =>
            target.dispatchEvent(new TouchEvent(kind, { touches, changedTouches: [at(x)], bubbles: true }));
          finger('touchstart', [at(200)], 200);
          finger('touchend', [], 200 + across);
        }""",
        across,
    )


def test_the_face_folds_over_and_back(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    wait_for_result(page)
    turned = "map => new DOMMatrix(getComputedStyle(map).transform).a"
    back = page.locator('.hero-row [data-map="back"] .hero-picture').first
    assert back.evaluate(turned) == 1
    page.click("#flip")
    assert (back.evaluate(turned), page.inner_text("#flip")) == (-1, "Flip it back")
    assert "as the network saw it" in page.inner_text(".hero-row:first-of-type [data-map=back]")
    page.click("#flip")
    assert (back.evaluate(turned), page.inner_text("#flip")) == (1, "Flip the face")
