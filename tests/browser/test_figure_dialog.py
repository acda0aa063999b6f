"""The figure dialog in Chromium: what it shows, what it hands over, and the texts that go with it."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Route

from model.expressions import EXPRESSIONS
from tests.browser.driving import HOPPER, answer_for, choose, violations, wait_for_result
from tests.live_server import LiveServer

pytestmark = pytest.mark.browser


def open_dialog(page: Page) -> None:
    wait_for_result(page)
    choose(page, HOPPER)
    page.click("#figure-open")
    wait_for_preview(page)


def wait_for_preview(page: Page) -> None:
    page.wait_for_function("() => document.getElementById('figure-note').textContent === ''")
    page.wait_for_function("() => document.getElementById('figure-preview').naturalWidth > 0")


def test_the_preview_is_the_figure_as_chosen_in_its_size_on_paper(open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_dialog(page)
    preview = page.locator("#figure-preview")
    whole = preview.evaluate("image => [image.naturalWidth, image.offsetWidth]")
    assert whole[1] == 7 * 96
    for name in EXPRESSIONS[:5]:
        page.uncheck(f'#figure-form input[value="{name}"]')
    page.fill("#figure-width", "3.5")
    with page.expect_response(lambda answer: "classes=fear%2Cdisgust&width=3.5" in answer.url) as sent:
        page.keyboard.press("Tab")
    assert sent.value.status == 200
    page.wait_for_function("() => document.getElementById('figure-preview').offsetWidth === 336")
    assert preview.evaluate("image => image.naturalWidth") < 0.6 * whole[0]
    page.uncheck('#figure-form input[value="fear"]')
    page.uncheck('#figure-form input[value="disgust"]')
    assert page.inner_text("#figure-note") == "Choose at least one expression."
    page.check('#figure-form input[value="fear"]')
    page.fill("#figure-width", "1")
    page.keyboard.press("Tab")
    assert page.inner_text("#figure-note") == "The width is 2.0 to 8.5 inches."


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_the_file_is_named_after_the_photo_and_has_the_width_asked_for(open_page: Callable[..., Page], kind: str) -> None:
    page = open_page()
    open_dialog(page)
    page.select_option("#figure-format", kind)
    assert page.locator("#figure-text-choice").is_visible() is (kind == "svg")
    if kind == "svg":
        page.check("#figure-text")
    page.fill("#figure-width", "5.5")
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    assert started.value.suggested_filename == f"hopper-figure.{kind}"
    data = Path(started.value.path()).read_bytes()
    if kind == "svg":
        assert b'width="396pt"' in data and b">disgust</text>" in data
    elif kind == "pdf":
        width = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", data)
        assert width is not None and float(width[1]) == pytest.approx(396, abs=0.1)
    else:
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.width / picture.info["dpi"][0] == pytest.approx(5.5, abs=0.01)
    assert page.inner_text("#figure-note") == f"hopper-figure.{kind} is ready."
    page.wait_for_function("() => document.getElementById('figure-preview').offsetWidth === 528")  # Enter has drawn that, too
    assert page.inner_text("#figure-note") == f"hopper-figure.{kind} is ready."


def test_a_download_outlives_the_dialog_and_a_change_of_the_preview(open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_dialog(page)
    page.select_option("#figure-format", "pdf")
    wait_for_preview(page)
    held: list[Route] = []
    page.route("**/api/v1/figures*", lambda route: held.append(route) if "format=pdf" in route.request.url else route.continue_())
    with page.expect_request("**/api/v1/figures*format=pdf*"):
        page.click("#figure-form button[type=submit]")
    with page.expect_response("**/api/v1/figures*format=png*"):
        page.uncheck('#figure-form input[value="fear"]')
    page.keyboard.press("Escape")
    with page.expect_download() as started:
        held[0].continue_()
    assert started.value.suggested_filename == "hopper-figure.pdf"


def test_a_download_that_fails_says_so_where_the_visitor_is(open_page: Callable[..., Page]) -> None:
    page = open_page(expected=("500",))
    open_dialog(page)
    page.select_option("#figure-format", "pdf")
    wait_for_preview(page)
    held: list[Route] = []
    page.route("**/api/v1/figures*", lambda route: held.append(route) if "format=pdf" in route.request.url else route.continue_())

    def fail(number: int, *, closed: bool) -> None:
        with page.expect_request("**/api/v1/figures*format=pdf*"):
            page.click("#figure-form button[type=submit]")
        page.locator("#figure-note", has_text="Preparing the file").wait_for()
        if closed:
            page.keyboard.press("Escape")
        held[number].fulfill(status=500, json={"code": "internal_error", "title": "Internal error"})

    fail(0, closed=False)
    page.locator("#figure-note", has_text="Internal error").wait_for()
    assert page.locator("#problem:visible").count() == 0
    fail(1, closed=True)
    page.locator("#problem:visible", has_text="Internal error").wait_for()


def test_a_choice_that_cannot_be_drawn_takes_the_preview_back(open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_dialog(page)
    page.route("**/api/v1/figures*", lambda route: None)  # stays unanswered
    with page.expect_request("**/api/v1/figures*"):
        page.uncheck('#figure-form input[value="fear"]')
    page.fill("#figure-width", "1")
    with page.expect_event("requestfailed", lambda request: "/figures" in request.url):
        page.keyboard.press("Tab")
    assert page.inner_text("#figure-note") == "The width is 2.0 to 8.5 inches."


def test_the_preview_is_not_drawn_again_for_what_changes_nothing_of_it(open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_dialog(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/figures" in request.url else None)
    page.select_option("#figure-format", "svg")
    page.check("#figure-text")
    assert r"\includesvg" in (page.text_content("#figure-latex") or "")
    assert page.locator("#figure-preview").is_visible()
    with page.expect_response("**/api/v1/figures*"):
        page.uncheck('#figure-form input[value="fear"]')
    wait_for_preview(page)
    assert len(asked) == 1


def test_the_name_of_a_photo_stays_in_its_column_however_long_it_is(open_page: Callable[..., Page], tmp_path: Path) -> None:
    photo = shutil.copy(HOPPER, tmp_path / f"{'x' * 150}.jpg")
    page = open_page()
    wait_for_result(page)
    choose(page, Path(photo))
    page.click("#figure-open")
    wait_for_preview(page)
    with page.expect_download():
        page.click("#figure-form button[type=submit]")
    page.locator("#figure-note", has_text="is ready").wait_for()
    assert page.locator("#figure-form").evaluate("form => form.scrollWidth <= form.clientWidth")


def test_text_that_is_selected_to_beyond_the_dialog_does_not_close_it(open_page: Callable[..., Page]) -> None:
    page = open_page()
    open_dialog(page)
    page.locator(".snippet summary").first.click()
    text = page.locator("#figure-latex").bounding_box()
    assert text is not None
    page.mouse.move(text["x"] + 60, text["y"] + 10)
    page.mouse.down()
    page.mouse.move(3, text["y"] + 10)
    page.mouse.up()
    assert page.locator("#figure[open]").count() == 1
    page.mouse.click(3, text["y"] + 10)
    assert page.locator("#figure[open]").count() == 0


def test_the_texts_go_with_the_files(open_page: Callable[..., Page], server: LiveServer, tmp_path: Path) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, bypass_csp=True)
    open_dialog(page)
    (face,) = answer_for(server, HOPPER)["faces"]
    for summary in page.locator(".snippet summary").all():
        summary.click()
    assert violations(page) == []
    assert page.locator("#figure").evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    latex = page.inner_text("#figure-latex")
    assert r"\includegraphics[width=7in]{hopper-figure.pdf}" in latex
    assert r"ours (mek\_sf)" in latex and f"Baseline answers {face['explanations']['baseline']['predicted']}, " in latex
    lines = page.inner_text("#figure-python")
    page.keyboard.press("Escape")
    with page.expect_download() as started:
        page.click("#download-npz")
    assert started.value.suggested_filename == "hopper-maps.npz"
    started.value.save_as(tmp_path / "hopper-maps.npz")
    printed = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in printed] == list(EXPRESSIONS)
    for line in printed:
        name, correlation = line.split()
        assert float(correlation) == pytest.approx(face["explanations"]["baseline"]["consistency"][name]["pearson"], abs=1e-4)
