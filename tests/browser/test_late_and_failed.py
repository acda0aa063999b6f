"""Answers that are late, or fail, in the explorer in Chromium: what is let go of, what stays, and what can be asked again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route

from tests.browser.driving import COLLINS, HOPPER, choose, hold, large_photo, wait_for_result

pytestmark = pytest.mark.browser


def test_a_service_without_room_can_be_asked_again(open_page: Callable[..., Page]) -> None:
    page = open_page(expected=("503",))
    wait_for_result(page)
    answer: dict[str, Any] = {"headers": {"Retry-After": "1"}, "json": {"code": "overloaded", "title": "Overloaded"}}
    page.route("**/api/v1/explanations*", lambda route: route.fulfill(status=503, **answer), times=1)
    page.set_input_files("#file", str(HOPPER))
    page.get_by_role("button", name="Try again").click()
    wait_for_result(page)
    assert page.locator("#problem:visible").count() == 0
    assert page.inner_text("#credit") == "Your own picture."


@pytest.mark.parametrize(
    ("answer", "heading"),
    [
        ({"status": 502, "body": "<h1>Bad gateway</h1>"}, "The service answered 502"),  # a proxy's
        ({"status": 504, "json": {"code": "inference_timeout", "title": "Computation took too long"}}, "Computation took too long"),
        ({"status": 408, "json": {"code": "upload_timeout", "title": "Upload took too long"}}, "Upload took too long"),
        ({"status": 200, "body": "<h1>Sign in to this network</h1>"}, "The service did not answer"),
    ],
    ids=["proxy", "slow models", "slow upload", "another's answer"],
)
def test_what_may_be_answered_a_little_later_can_be_asked_again(
    open_page: Callable[..., Page], answer: dict[str, Any], heading: str
) -> None:
    page = open_page(expected=("502", "504", "408"))
    wait_for_result(page)
    page.route("**/api/v1/explanations*", lambda route: route.fulfill(**answer), times=1)
    page.set_input_files("#file", str(HOPPER))
    problem = page.locator("#problem:visible")
    problem.wait_for()
    assert problem.locator("h2").inner_text() == heading
    problem.get_by_role("button", name="Try again").click()
    wait_for_result(page)
    assert page.locator("#problem:visible").count() == 0


def test_a_connection_that_ends_within_an_answer_is_called_that(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.evaluate("""() => {
      const { text } = Response.prototype;
      Response.prototype.text = () => {
        Response.prototype.text = text;
        return Promise.reject(new TypeError('network error'));
      };
    }""")
    page.set_input_files("#file", str(HOPPER))
    problem = page.locator("#problem:visible")
    problem.wait_for()
    assert problem.locator("h2").inner_text() == "The service did not answer"
    problem.get_by_role("button", name="Try again").click()
    wait_for_result(page)
    assert page.inner_text("#credit") == "Your own picture."


@pytest.mark.parametrize("way", ["button", "picture"])
def test_a_page_whose_start_failed_goes_on_once_the_service_answers(open_page: Callable[..., Page], way: str) -> None:
    page = open_page("/about", expected=("ERR_FAILED",))
    page.route("**/explorer/start.json", lambda route: route.abort(), times=1)
    page.goto("/")
    page.locator("#problem:visible").wait_for()
    assert page.locator("#result:visible").count() == 0  # its buttons would do nothing
    if way == "picture":
        choose(page, HOPPER)
    else:
        page.get_by_role("button", name="Try again").click()
        wait_for_result(page)
    assert page.locator("#problem:visible").count() == 0


def test_without_the_explorers_script_the_form_sends_the_picture(open_page: Callable[..., Page]) -> None:
    page = open_page("/about", expected=("ERR_FAILED",))
    page.route("**/explorer.bundle.js", lambda route: route.abort())
    page.goto("/")
    assert page.locator("#webcam-open:visible").count() == 0
    page.set_input_files("#file", str(HOPPER))
    page.click("text=Show the maps")
    page.wait_for_selector(".still table.maps")


def test_a_link_to_a_picture_that_there_is_not_shows_no_other(open_page: Callable[..., Page]) -> None:
    page = open_page("/#sample=nobody", expected=("404",))
    page.locator("#problem:visible").wait_for()
    assert page.locator("#result:visible, #details:visible").count() == 0


def test_a_link_to_a_face_that_there_is_not_says_so_in_the_services_words(open_page: Callable[..., Page]) -> None:
    """The picture's own address answers as a page, which the script does not read: it is not asked."""
    page = open_page("/about", expected=("404",))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/faces/" in request.url else None)
    page.goto("/#sample=face-3")
    problem = page.locator("#problem:visible")
    problem.wait_for()
    assert problem.locator("h2").inner_text() == "Not found"
    assert [address.rpartition("/")[2] for address in asked] == ["3.json"]


@pytest.mark.parametrize(
    ("control", "choice", "status", "code"), [("method", "layercam", 501, "not_installed"), ("first", "mek_sf", 422, "invalid_parameter")]
)
def test_a_choice_that_the_service_refuses_is_taken_back(
    open_page: Callable[..., Page], control: str, choice: str, status: int, code: str
) -> None:
    page = open_page(expected=(str(status),))
    wait_for_result(page)
    page.click(".display > summary")
    usual = page.input_value(f"#{control}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/explanations" in request.url else None)
    page.route("**/api/v1/explanations*", lambda route: route.fulfill(status=status, json={"code": code, "title": "Refused"}), times=1)
    page.select_option(f"#{control}", choice)
    page.locator("#problem:visible", has_text="Refused").wait_for()
    assert page.input_value(f"#{control}") == usual
    assert choice not in page.url
    assert page.locator(".waiting, #status.busy").count() == 0
    assert len(asked) == 1
    choose(page, HOPPER)  # the next picture is asked about without it
    assert choice not in asked[-1]
    assert page.locator("#problem:visible").count() == 0


def test_a_file_that_is_no_picture_is_refused_in_words(open_page: Callable[..., Page], tmp_path: Path) -> None:
    file = tmp_path / "notes.jpg"
    file.write_text("not a picture")
    page = open_page(expected=("422", "415"))
    wait_for_result(page)
    with page.expect_response("**/api/v1/explanations*"):
        page.set_input_files("#file", str(file))
    problem = page.locator("#problem:visible")
    problem.wait_for()
    assert "Choose a JPEG, PNG or WebP picture." in problem.inner_text()
    assert "notes" not in problem.inner_text()
    choose(page, HOPPER)
    assert page.locator("#problem:visible").count() == 0


def test_a_file_that_cannot_be_read_is_called_that(open_page: Callable[..., Page], tmp_path: Path) -> None:
    """It is gone from the disk when it is dropped; a folder is read no better."""
    photo = Path(shutil.copy(COLLINS, tmp_path / "photo.jpg"))
    page = open_page("/#sample=hopper")
    wait_for_result(page)
    page.evaluate("""() => {
      const field = document.createElement('input');
      field.type = 'file';
      field.id = 'elsewhere';
      document.body.append(field);
    }""")
    page.set_input_files("#elsewhere", str(photo))
    photo.unlink()
    page.evaluate("""() => {
      const data = new DataTransfer();
      data.items.add(document.getElementById('elsewhere').files[0]);
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    }""")
    problem = page.locator("#problem:visible")
    problem.wait_for()
    assert problem.locator("h2").inner_text() == "The file cannot be read. Choose it again, or another one."
    assert problem.get_by_role("button").count() == 0
    assert "Grace Hopper" in page.inner_text("#credit")  # what is shown is still hers
    assert page.locator(".waiting, #status.busy").count() == 0


def test_a_refused_picture_takes_the_maps_of_the_one_before_away(open_page: Callable[..., Page], tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (300, 300), "grey").save(blank)
    page = open_page(expected=("422",))
    wait_for_result(page)
    page.set_input_files("#file", str(blank))
    page.locator("#problem:visible").wait_for()
    assert page.inner_text("#credit") == "Your own picture."
    assert page.locator("#result:visible, #details:visible").count() == 0
    page.locator("#picture-note", has_text="No face was found here").wait_for()
    assert page.get_attribute("#picture", "aria-label") == "The picture, in which no face was found"
    page.click("#crop-open")  # on the picture itself
    # drawn as soon as the picture is decoded; until then a canvas has 300 x 150
    page.wait_for_function(
        "() => { const { width, height } = document.querySelector('#crop-canvas'); return width === 300 && height === 300; }"
    )
    page.keyboard.press("Escape")
    choose(page, HOPPER)
    assert page.locator("#picture-panel:visible").count() == 1


@pytest.mark.parametrize("start", ["/", "/#sample=obama-portrait"])
def test_a_sample_that_arrives_late_does_not_replace_the_visitors_picture(open_page: Callable[..., Page], start: str) -> None:
    page = open_page("/about")
    late: list[Route] = []
    page.route("**/samples/*.jpg*", lambda route: late.append(route) if route.request.resource_type == "fetch" else route.continue_())
    page.goto(start)
    page.wait_for_function("() => document.querySelectorAll('#first option').length > 0")
    choose(page, COLLINS)
    assert len(late) == 1
    late[0].continue_()
    page.wait_for_timeout(500)
    assert page.inner_text("#credit") == "Your own picture."
    assert page.locator("#status.busy").count() == 0
    assert page.locator("a[data-sample][aria-current]").count() == 0


def test_an_answer_that_is_late_is_not_shown_as_the_visitors_picture(open_page: Callable[..., Page], tmp_path: Path) -> None:
    """A large photo takes its time to be shrunk: until then the answer to the choice before may arrive."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)).save(tmp_path / "large.png")
    page = open_page()
    wait_for_result(page)
    page.evaluate("""() => {
      const read = window.createImageBitmap;
      window.createImageBitmap = (file, ...options) => (file.size > 1 << 20 ? new Promise(() => {}) : read(file, ...options));
    }""")
    page.route("**/api/v1/explanations*", lambda route: None)  # stays unanswered
    with page.expect_request("**/api/v1/explanations*"):
        page.click('a[data-sample="biden"]')
    with page.expect_event("requestfailed", lambda request: "/explanations" in request.url):
        page.set_input_files("#file", str(tmp_path / "large.png"))
    assert page.locator("#result.waiting, #picture-panel.waiting").count() == 2


def test_a_choice_lets_go_of_the_one_before_and_leaves_what_is_shown_where_it_fails(open_page: Callable[..., Page]) -> None:
    page = open_page(expected=("ERR_FAILED",))
    wait_for_result(page)
    shown = page.inner_text("#credit")
    page.route("**/api/v1/explanations*", lambda route: None)  # stays unanswered
    with page.expect_request("**/api/v1/explanations*"):
        page.set_input_files("#file", str(HOPPER))
    card = hold(page, "**/samples/biden.jpg")
    with page.expect_event("requestfailed", lambda request: "/explanations" in request.url), page.expect_request("**/samples/biden.jpg"):
        page.click('a[data-sample="biden"]')
    assert page.locator("#result.waiting, #status.busy").count() == 2
    card[0].abort()
    page.get_by_role("button", name="Try again").wait_for()
    assert page.inner_text("#credit") == shown != "Your own picture."
    assert page.locator("a[data-sample][aria-current]").get_attribute("data-sample") == "collins"
    assert page.locator(".waiting, #status.busy").count() == 0


def test_a_setting_chosen_while_a_photo_is_read_goes_with_the_photo(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page()
    wait_for_result(page)
    page.click(".display > summary")
    page.evaluate("""() => {
      const read = window.createImageBitmap;
      window.createImageBitmap = (file) => new Promise((done) => {
        window.readOn = () => {
          window.createImageBitmap = read;
          done(read(file));
        };
      });
    }""")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/explanations" in request.url else None)
    page.set_input_files("#file", str(large_photo(tmp_path)))
    page.wait_for_function("() => window.readOn !== undefined")
    page.select_option("#method", "layercam")
    assert page.locator("#result.waiting, #details.waiting").count() == 2
    with page.expect_response("**/api/v1/explanations*"):
        page.evaluate("() => window.readOn()")
    wait_for_result(page)
    (address,) = asked
    assert "method=layercam" in address
    assert page.inner_text("#credit") == "Your own picture."


def test_an_address_that_could_not_be_opened_is_asked_for_again_with_what_was_chosen(open_page: Callable[..., Page]) -> None:
    page = open_page(expected=("ERR_FAILED",))
    wait_for_result(page)
    page.click(".display > summary")
    link = page.locator("a[data-sample][data-picture]").nth(1)
    sample = link.get_attribute("data-sample")
    held = hold(page, f"**{link.get_attribute('data-picture')}", times=1)
    page.evaluate("sample => { location.hash = `#sample=${sample}`; }", sample)
    page.wait_for_selector("#result.waiting")
    page.select_option("#method", "layercam")
    held[0].abort()
    again = page.get_by_role("button", name="Try again")
    again.wait_for()
    assert f"sample={sample}" not in page.url
    with page.expect_response("**/api/v1/explanations*") as answered:
        again.click()
    wait_for_result(page)
    assert "method=layercam" in answered.value.url
    assert f"sample={sample}" in page.url
    assert link.get_attribute("aria-current") == "true"


def test_a_new_picture_is_not_asked_for_with_the_crop_of_the_one_before(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.click("#crop-open")
    with page.expect_response(lambda response: "crop=whole" in response.url):
        page.click("#crop-whole")
    wait_for_result(page)
    page.route("**/api/v1/explanations*", lambda route: None, times=1)  # stays unanswered
    with page.expect_request("**/api/v1/explanations*"):
        page.set_input_files("#file", str(HOPPER))
    page.click(".display > summary")
    with page.expect_response(lambda response: "method=layercam" in response.url) as sent:
        page.select_option("#method", "layercam")
    assert "crop=detect" in sent.value.url
    wait_for_result(page)


def test_a_crop_is_not_drawn_on_a_picture_that_is_shown_no_more(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.click("#crop-open")
    page.locator("#crop[open]").wait_for()
    late = hold(page, "**/samples/biden.jpg")
    with page.expect_request("**/samples/biden.jpg"):
        page.evaluate("location.hash = 'sample=biden'")
    page.locator("#crop").wait_for(state="hidden")
    page.click("#crop-open")  # there is nothing yet to draw it on
    late[0].continue_()
    page.wait_for_selector('a[data-sample="biden"][aria-current="true"]')
    wait_for_result(page)
    assert page.locator("#crop[open]").count() == 0
