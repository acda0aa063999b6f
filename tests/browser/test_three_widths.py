"""Every story, control, dialog, download and page, used in Chromium with the shipped checkpoints: on a desktop, a tablet and a phone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Download, Page

from app.samples import STORIES_FILE
from model.expressions import EXPRESSIONS
from tests.browser.driving import COLLINS, HOPPER, PAGES, pixels, set_value, violations, wait_for_result
from tests.live_server import ROOT, LiveServer

STORIES = json.loads((ROOT / "checkpoints" / STORIES_FILE).read_bytes())["stories"]
WIDTHS = {1440: 900, 768: 1024, 390: 844}
HERO = '.hero-row [data-map="original"] canvas'

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("width", WIDTHS)]


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer("-m", "app.cli", "serve") as running:
        yield running.wait_until_ready()


@pytest.fixture
def explorer(open_page: Callable[..., Page], width: int) -> Page:
    page = open_page(**screen(width))
    wait_for_result(page)
    return page


def screen(width: int) -> dict[str, object]:
    return {"viewport": {"width": width, "height": WIDTHS[width]}, "reduced_motion": "reduce", "bypass_csp": True, "has_touch": width < 800}


def assert_fits(page: Page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def look(page: Page) -> bytes:
    """The hero's first map."""
    return pixels(page, page.locator(HERO).first).tobytes()


def download(page: Page, press: Callable[[], None]) -> tuple[str, bytes]:
    with page.expect_download() as started:
        press()
    received: Download = started.value
    return received.suggested_filename, Path(received.path()).read_bytes()


def copied(page: Page, button: str, note: str) -> str:
    """What a button puts on the clipboard, once the page says that it is there."""
    page.eval_on_selector(note, "note => { note.textContent = ''; }")
    page.click(button)
    page.locator(note, has_text="Copied.").wait_for()
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_every_story(explorer: Page, width: int) -> None:
    assert explorer.locator("#cards [data-sample] span").all_inner_texts() == [story["caption"] for story in STORIES]
    for story in reversed(STORIES):  # the first is shown already
        explorer.click(f'#cards a[data-sample="{story["id"]}"]')
        explorer.wait_for_selector(f'a[data-sample="{story["id"]}"][aria-current="true"]')
        wait_for_result(explorer)
        assert explorer.locator("#problem:visible").count() == 0
        assert "mirror" in explorer.inner_text(".hero-answer")
        assert story["expression"] in ("", explorer.locator('.chip[aria-pressed="true"]').inner_text())
        assert all(len(np.unique(pixels(explorer, canvas))) > 8 for canvas in explorer.locator(HERO).all())
        assert_fits(explorer, width)


def test_pictures_that_are_no_stories_open_by_their_links(open_page: Callable[..., Page], width: int) -> None:
    page = open_page("/about", **screen(width))
    page.get_by_role("link", name="noise", exact=True).click()
    page.wait_for_url("**/samples/noise")
    page.wait_for_selector(".still table.maps")
    assert_fits(page, width)
    for sample, credit, note in (("noise", "random numbers", "whole picture"), ("hopper", "Grace Hopper", "The square is the crop")):
        page.goto("/about")
        page.goto(f"/#sample={sample}")  # shared where the gallery has the bare pictures
        wait_for_result(page)
        assert credit in page.inner_text("#credit")
        assert note in page.inner_text("#picture-note")


def test_every_control(explorer: Page, width: int) -> None:
    explorer.click(".display > summary")
    for control in ("colours", "scale", "focus", "method"):
        for option in explorer.locator(f"#{control} option").evaluate_all("all => all.map(option => option.value)"):
            explorer.select_option(f"#{control}", option)
            wait_for_result(explorer)
            assert explorer.input_value(f"#{control}") == option
            assert explorer.locator("#problem:visible").count() == 0
    assert "method=hirescam" in explorer.url
    explorer.select_option("#method", "cam")
    wait_for_result(explorer)
    for control in ("first", "second"):
        explorer.select_option(f"#{control}", "mek")
        wait_for_result(explorer)
        assert "mek" in explorer.locator(".hero-row h3").all_inner_texts()[0 if control == "first" else 1]
    before = look(explorer)
    set_value(explorer, "#opacity", "0.1")
    assert look(explorer) != before
    assert_fits(explorer, width)
    for name in EXPRESSIONS:
        explorer.click(f'.chip[data-expression="{name}"]')
        assert explorer.inner_text('.hero-row:first-of-type [data-slot="expression"]') == name
    for text in ("Flip it back", "Flip the face"):
        explorer.click("#flip")
        assert explorer.inner_text("#flip") == text
    border = explorer.locator("#swipe-line")
    for share in ("0", "100"):
        set_value(explorer, "#swipe-range", share)
        assert border.evaluate("line => line.style.left") == f"{share}%"
    for summary in explorer.locator("summary:visible").all():
        summary.click()
    assert violations(explorer) == []
    assert_fits(explorer, width)


def test_every_dialog(explorer: Page, width: int) -> None:
    for opener, name in (("#grid .class-button", "closer"), ("#crop-open", "crop"), ("#webcam-open", "webcam"), ("#figure-open", "figure")):
        explorer.locator(opener).first.click()
        dialog = explorer.locator(f"#{name}[open]")
        dialog.wait_for()
        if name == "figure":
            explorer.wait_for_function("() => document.getElementById('figure-preview').naturalWidth > 0")
        assert violations(explorer) == [], name
        assert dialog.evaluate(
            "dialog => dialog.scrollWidth <= dialog.clientWidth && dialog.getBoundingClientRect().right <= innerWidth"
        ), name
        dialog.get_by_role("button", name="Close").click()
        dialog.wait_for(state="hidden")
    explorer.locator("#grid .class-button").first.click()
    for button, shown in (("#closer-next", EXPRESSIONS[1]), ("#closer-previous", EXPRESSIONS[0]), ("#closer-previous", EXPRESSIONS[-1])):
        explorer.click(button)
        assert explorer.inner_text("#closer-title") == shown


def test_every_download(explorer: Page, width: int) -> None:
    name, data = download(explorer, lambda: explorer.click("#download-npz"))
    assert name == f"{STORIES[0]['id']}-maps.npz" and "0/ours/maps" in np.load(io.BytesIO(data))
    name, data = download(explorer, lambda: explorer.click("#download-json"))
    assert name == f"{STORIES[0]['id']}-maps.json" and len(json.loads(data)["faces"]) == 1
    explorer.context.grant_permissions(["clipboard-read", "clipboard-write"])
    assert copied(explorer, "#copy-link", "#copy-note") == explorer.evaluate("location.href")
    explorer.click("#figure-open")
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        explorer.select_option("#figure-format", kind)
        name, data = download(explorer, lambda: explorer.click("text=Download the figure"))
        assert name == f"{STORIES[0]['id']}-figure.{kind}" and data.startswith(start)
    for text in ("latex", "python"):
        explorer.locator(f".snippet:has(#figure-{text}) summary").click()
        assert copied(explorer, f"#{text}-copy", "#figure-note") == explorer.text_content(f"#figure-{text}")


def test_every_page(open_page: Callable[..., Page], width: int) -> None:
    page = open_page("/about", **screen(width))
    for address in page.locator(".site-nav a").evaluate_all("links => links.map(link => link.getAttribute('href'))"):
        page.click(f'.site-nav a[href="{address}"]')
        page.wait_for_url(f"**{address}")
        assert page.get_attribute(f'.site-nav a[href="{address}"]', "aria-current") == "page"
    for path in (*PAGES, "/docs", *(f"/samples/{story['id']}" for story in STORIES[:1])):
        page.goto(path)
        if path == "/":
            wait_for_result(page)
        page.click("#theme-toggle")  # light and dark in turn
        assert violations(page, besides="#swagger-ui") == [], path  # the headings there are not ours
        assert_fits(page, width)


def test_the_tray(open_page: Callable[..., Page], width: int, tmp_path: Path) -> None:
    page = open_page("/tray", **screen(width))
    page.set_input_files("#pictures", [str(HOPPER), str(COLLINS)])
    page.wait_for_selector("text=2 of 2 pictures explained")
    page.get_by_role("button", name="Adjust the crop of hopper.jpg").click()
    page.locator("#crop[open]").wait_for()
    assert violations(page) == []
    page.click("#crop-whole")
    page.wait_for_selector("text=2 of 2 pictures explained")
    assert_fits(page, width)
    for kind in page.locator("#tray-format option").evaluate_all("all => all.map(option => option.value)"):
        page.select_option("#tray-format", kind)
        name, data = download(page, lambda: page.click("#tray-zip"))
        assert name == "unturned.zip"
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert {f"figures/hopper.{kind}", "maps/collins.npz", "faces.csv", "README.txt"} <= set(archive.namelist())
        page.wait_for_selector("#tray-zip:not([aria-disabled])")


def test_without_javascript(open_page: Callable[..., Page], width: int, tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), "grey").save(tmp_path / "blank.png")
    page = open_page(java_script_enabled=False, expected=("422",), **screen(width))
    assert_images_drawn(page)
    page.set_input_files("#file", str(tmp_path / "blank.png"))
    page.click("text=Show the maps")
    page.click("text=Explain this square")
    page.wait_for_selector(".still table.maps")
    assert_images_drawn(page)


def assert_images_drawn(page: Page) -> None:
    images = page.locator("main img[src]")
    assert images.count() > 6
    assert all(images.evaluate_all("all => all.map(image => image.complete && image.naturalWidth > 0)"))
