"""The data set's faces in Chromium: on a page of their own, behind the dots of the scatter plots and beside them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route

from model.claims.report import CLAIMS_FILE, save_claims
from tests.browser.driving import violations, wait_for_result
from tests.live_server import LiveServer
from tests.pages.test_pages import make_report

pytestmark = [pytest.mark.browser, pytest.mark.dataset]


@pytest.fixture(scope="module")
def server(random_checkpoints: Path, ferplus_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("claimed") / "checkpoints"
    shutil.copytree(random_checkpoints, folder)
    save_claims(folder / CLAIMS_FILE, make_report(0.1))
    with LiveServer("-m", "app.cli", "serve", checkpoint_dir=folder, datasets=ferplus_zip.parent) as running:
        yield running.wait_until_ready()


def test_ferplus_faces_can_be_filtered_and_opened(open_page: Callable[..., Page]) -> None:
    page = open_page("/faces")
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


def test_the_face_behind_a_dot_is_shown(open_page: Callable[..., Page]) -> None:
    page = open_page("/claims")
    face, x, y = highest_dot(page)
    page.mouse.move(x, y)
    panel = page.locator("[data-face-panel]:visible")
    panel.wait_for()
    assert f"Test face {face}:" in panel.inner_text()
    assert violations(page) == []
    box = page.locator("svg.scatter").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.98 * box["width"], box["y"] + 2)  # where no dot is
    page.mouse.move(x, y)
    page.wait_for_timeout(200)
    assert page.url.endswith("/claims")
    page.mouse.click(x, y)
    page.wait_for_url(f"**/#sample=face-{face}")


def test_dots_whose_faces_did_not_come_say_so_and_ask_again_when_pointed_at_again(open_page: Callable[..., Page]) -> None:
    page = open_page("/claims", expected=("ERR_FAILED",))
    face, x, y = highest_dot(page)
    asked: list[Route] = []

    def fail(route: Route) -> None:
        asked.append(route)
        route.abort()

    page.route("**/claims/points/**", fail)
    page.mouse.move(x, y)
    page.locator("[data-face-panel]", has_text="The service did not answer. Check the connection and try again.").wait_for()
    for step in (1, 2, 3):
        page.mouse.move(x + step, y)
    with page.expect_event("requestfailed"):
        page.mouse.click(x, y)
    assert len(asked) == 2  # once for all those moves
    page.unroute("**/claims/points/**")
    page.mouse.move(0, 0)
    page.mouse.move(x, y)
    page.locator("[data-face-panel]", has_text=f"Test face {face}:").wait_for()


def highest_dot(page: Page) -> tuple[int, float, float]:
    """A face of the first plot and where its dot is on the screen."""
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
    return points.faces[highest], box["x"] + x * unit, box["y"] + y * unit


def test_thumbnails_beside_a_plot_open_the_live_explorer(open_page: Callable[..., Page]) -> None:
    page = open_page("/claims", viewport={"width": 1440, "height": 900})
    plot, thumbnail = page.locator("svg.scatter").first, page.locator(".thumbs a").first
    beside, left = thumbnail.bounding_box(), plot.bounding_box()
    assert beside is not None and left is not None
    assert beside["x"] >= left["x"] + left["width"] and beside["y"] < left["y"] + left["height"]
    number = thumbnail.get_attribute("data-sample")
    thumbnail.click()
    wait_for_result(page)
    assert page.url.endswith(f"/#sample={number}")
    assert page.locator("#grid").is_visible()
