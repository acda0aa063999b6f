"""Every way a picture comes into the explorer in Chromium, and every way its maps leave it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Download, Page, Route

from app.drawing.saved_maps import read_maps
from tests.browser.driving import (
    COLLINS,
    HOPPER,
    answer_for,
    choose,
    hold,
    pixels,
    wait_for_result,
)
from tests.live_server import LiveServer

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_pictures_come_in_by_paste_and_drop(open_page: Callable[..., Page], way: str) -> None:
    page = open_page()
    wait_for_result(page)
    script = """async ([address, way]) => {
      const blob = await (await fetch(address)).blob();
      const data = new DataTransfer();
      data.items.add(new File([blob], '<img src=x onerror=alert(1)>.jpg', { type: 'image/jpeg' }));
      const event = way === 'paste'
        ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true })
        : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
      document.body.dispatchEvent(event);
    }"""
    with page.expect_response("**/api/v1/explanations*") as sent:
        page.evaluate(script, ["/static/samples/biden.jpg", way])
    assert sent.value.status == 200
    wait_for_result(page)
    assert page.locator("#credit").inner_text() == "Your own picture."
    assert "onerror" not in page.content()  # the file's name is nowhere


@pytest.mark.parametrize(
    ("sample", "credit", "note"), [("obama-portrait", "Pete Souza", "The square is the crop"), ("noise", "random numbers", "whole picture")]
)
def test_a_gallery_picture_can_be_chosen_and_is_named_in_the_address(
    open_page: Callable[..., Page], sample: str, credit: str, note: str
) -> None:
    page = open_page()
    wait_for_result(page)
    page.click(f'a[data-sample="{sample}"]')
    page.wait_for_selector(f'a[data-sample="{sample}"][aria-current="true"]')
    wait_for_result(page)
    assert page.url.endswith(f"#sample={sample}")
    assert credit in page.inner_text("#credit")
    assert note in page.inner_text("#picture-note")


def test_the_webcam_gives_a_still_and_a_picture_without_a_face_says_what_to_do(open_page: Callable[..., Page]) -> None:
    page = open_page(expected=("422",))
    wait_for_result(page)
    page.click("#webcam-open")
    page.wait_for_selector("#webcam-take:enabled")
    with page.expect_response("**/api/v1/explanations*") as sent:
        page.click("#webcam-take")
    assert sent.value.status == 422
    problem = page.locator("#problem:visible")
    problem.wait_for()
    assert problem.locator("h2").inner_text() == "No face found"
    assert "take the whole picture" in problem.inner_text()
    assert page.evaluate("document.getElementById('webcam-video').srcObject") is None
    with page.expect_response(lambda response: "crop=whole" in response.url) as sent:
        problem.get_by_role("button", name="Take the whole picture").click()
    assert sent.value.status == 200
    wait_for_result(page)
    assert page.locator("#problem:visible").count() == 0


def test_the_keyboard_goes_on_from_a_way_out_that_was_taken(open_page: Callable[..., Page], tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), "grey").save(tmp_path / "blank.png")
    page = open_page(expected=("422",))
    wait_for_result(page)
    page.set_input_files("#file", str(tmp_path / "blank.png"))
    page.locator("#picture-note", has_text="No face was found here").wait_for()
    page.get_by_role("button", name="Take the whole picture").click()
    assert page.evaluate("document.activeElement.id") == "crop-open"
    wait_for_result(page)


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


def test_a_link_to_a_picture_that_there_is_not_shows_no_other(open_page: Callable[..., Page]) -> None:
    page = open_page("/#sample=nobody", expected=("404",))
    page.locator("#problem:visible").wait_for()
    assert page.locator("#result:visible, #details:visible").count() == 0


def test_a_camera_asked_for_twice_is_let_go_of(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.evaluate("""() => {
      const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      window.tracks = [];
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        await new Promise((answer) => setTimeout(answer, 300));  // as long as a visitor thinks about the permission
        const stream = await ask(wanted);
        window.tracks.push(...stream.getTracks());
        return stream;
      };
    }""")
    page.evaluate("() => { document.getElementById('webcam-open').click(); document.getElementById('webcam-open').click(); }")
    page.wait_for_selector("#webcam-take:enabled")
    page.click("#webcam-close")
    page.wait_for_timeout(500)
    assert set(page.evaluate("() => window.tracks.map((track) => track.readyState)")) == {"ended"}


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


def test_on_a_phone_the_answer_comes_into_view(open_page: Callable[..., Page]) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    wait_for_result(page)
    assert page.evaluate("window.scrollY") == 0  # nothing moves before the visitor has chosen
    choose(page, COLLINS)
    page.wait_for_function("() => document.querySelector('.hero-answer').getBoundingClientRect().bottom < window.innerHeight")
    assert page.evaluate("document.querySelector('.hero-answer').getBoundingClientRect().top") > 0


def test_the_crop_can_be_drawn_by_hand(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.click("#crop-open")
    page.fill("#crop-side", "5000")
    page.keyboard.press("Tab")
    assert page.input_value("#crop-side") == "384"  # the square that is drawn
    page.fill("#crop-side", "120")
    page.fill("#crop-x", "100")
    page.fill("#crop-y", "60")
    box = page.locator("#crop-canvas").bounding_box()
    assert box is not None
    unit = box["width"] / 384
    page.mouse.move(box["x"] + 140 * unit, box["y"] + 100 * unit)
    page.mouse.down()
    page.mouse.move(box["x"] + 170 * unit, box["y"] + 110 * unit)
    page.mouse.up()
    x, y, side = (float(page.input_value(f"#crop-{name}")) for name in ("x", "y", "side"))
    assert (abs(x - 130) <= 2, abs(y - 70) <= 2, side) == (True, True, 120)
    with page.expect_response("**/api/v1/explanations*") as sent:
        page.click("#crop-apply")
    answer = sent.value.json()
    assert answer["faces"][0]["crop"] == [x, y, side, side]
    wait_for_result(page)
    assert "A crop drawn by hand" in page.inner_text("#picture-note")


def test_a_crop_is_not_drawn_on_a_picture_that_is_shown_no_more(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    late = hold(page, "**/samples/biden.jpg")
    with page.expect_request("**/samples/biden.jpg"):
        page.click('a[data-sample="biden"]')
    page.click("#crop-open")
    page.locator("#crop[open]").wait_for()
    late[0].continue_()
    page.wait_for_selector('a[data-sample="biden"][aria-current="true"]')
    wait_for_result(page)
    assert page.locator("#crop[open]").count() == 0


def test_one_of_several_faces_can_be_picked(open_page: Callable[..., Page], tmp_path: Path) -> None:
    both = Image.new("RGB", (768, 384))
    for index, file in enumerate((COLLINS, HOPPER)):
        both.paste(Image.open(file), (384 * index, 0))
    both.save(tmp_path / "both.png")
    page = open_page()
    wait_for_result(page)
    choose(page, tmp_path / "both.png")
    faces = page.locator("#faces button")
    assert faces.count() == 2
    shown = pixels(page, page.locator("#grid .face-cell canvas").first)
    faces.nth(1).click()
    assert page.locator('#faces button[aria-pressed="true"]:focus').get_attribute("aria-label") == "Face 2 of 2"
    assert not np.array_equal(pixels(page, page.locator("#grid .face-cell canvas").first), shown)


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
    page.click("#crop-open")  # on the picture itself
    # drawn as soon as the picture is decoded; until then a canvas has 300 x 150
    page.wait_for_function(
        "() => { const { width, height } = document.querySelector('#crop-canvas'); return width === 300 && height === 300; }"
    )
    page.keyboard.press("Escape")
    choose(page, HOPPER)
    assert page.locator("#picture-panel:visible").count() == 1


def test_a_new_picture_is_not_asked_for_with_the_crop_of_the_one_before(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.click("#crop-open")
    with page.expect_response(lambda response: "crop=whole" in response.url):
        page.click("#crop-whole")
    wait_for_result(page)
    page.route("**/api/v1/explanations*", lambda route: None, times=1)  # stays unanswered
    page.set_input_files("#file", str(HOPPER))
    page.wait_for_selector("#result.waiting")
    page.click(".display > summary")
    with page.expect_response(lambda response: "method=layercam" in response.url) as sent:
        page.select_option("#method", "layercam")
    assert "crop=detect" in sent.value.url
    wait_for_result(page)


def test_downloads_hold_the_shown_maps(open_page: Callable[..., Page], server: LiveServer) -> None:
    page = open_page()
    wait_for_result(page)
    choose(page, HOPPER)

    def download(selector: str) -> bytes:
        with page.expect_download() as started:
            page.click(selector)
        received: Download = started.value
        return Path(received.path()).read_bytes()

    expected = answer_for(server, HOPPER)
    maps = json.loads(download("#download-json"))
    assert maps["faces"] == expected["faces"]
    saved = read_maps(download("#download-npz")).faces[0]
    assert [model.name for model in saved.models] == ["baseline", "ours"]
    np.testing.assert_allclose(saved.models[1].maps[0], expected["faces"][0]["explanations"]["ours"]["maps"]["original"], rtol=1e-6)
    assert page.evaluate("document.activeElement.id") == "download-npz"  # the keyboard goes on from there
    assert page.inner_text("#download-note") == "hopper-maps.npz is ready."
    assert page.locator("#status.busy").count() == 0


def test_a_large_photo_is_shrunk_before_it_is_sent(open_page: Callable[..., Page], tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 40, (2400, 3200, 3), dtype=np.uint8)
    photo = Image.fromarray(noise)
    photo.paste(Image.open(COLLINS).resize((1600, 1600)), (800, 400))
    photo.save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 4 << 20
    page = open_page()
    wait_for_result(page)
    with page.expect_response("**/api/v1/explanations*") as answered:
        page.set_input_files("#file", str(tmp_path / "large.png"))
    assert answered.value.json()["image"] == {"width": 1600, "height": 1200}  # what the service was sent
    wait_for_result(page)


def test_the_same_file_can_be_chosen_again_after_a_sample(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    choose(page, HOPPER)
    page.click('a[data-sample="biden"]')
    page.wait_for_selector('a[data-sample="biden"][aria-current="true"]')
    wait_for_result(page)
    choose(page, HOPPER)
    assert page.inner_text("#credit") == "Your own picture."


def test_a_touch_screen_is_not_told_of_mouse_and_keyboard(open_page: Callable[..., Page]) -> None:
    page = open_page(viewport={"width": 900, "height": 900}, has_touch=True, is_mobile=True)
    wait_for_result(page)
    shown = page.inner_text("main")
    assert "Touch a map" in shown
    assert not any(word in shown for word in ("Point at", "Ctrl", "Drop it", "Shift"))
