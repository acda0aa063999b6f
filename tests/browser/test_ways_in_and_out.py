"""Every way a picture comes into the explorer in Chromium, and every way its maps leave it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Download, Page

from app.drawing.saved_maps import read_maps
from tests.browser.driving import (
    COLLINS,
    HOPPER,
    answer_for,
    choose,
    hold,
    large_photo,
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


def test_a_gallery_picture_opens_in_a_tab_of_its_own_for_whoever_asks_for_one(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    with page.context.expect_page() as opened:
        page.click('a[data-sample="biden"]', modifiers=["Control"])
    opened.value.wait_for_url("**/samples/biden")
    assert page.locator("a[data-sample][aria-current]").get_attribute("data-sample") == "collins"


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


def test_a_picture_chosen_before_the_script_runs_is_explained(open_page: Callable[..., Page]) -> None:
    page = open_page("/about")
    script = hold(page, "**/explorer.bundle.js")
    with page.expect_request("**/explorer.bundle.js"):
        page.goto("/", wait_until="commit")
    page.locator("#drop-hint").wait_for()
    page.set_input_files("#file", str(HOPPER))
    with page.expect_response("**/api/v1/explanations*"):
        script[0].continue_()
    wait_for_result(page)
    assert page.inner_text("#credit") == "Your own picture."
    assert page.locator("a[data-sample][aria-current]").count() == 0


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


def test_a_square_that_leaves_the_picture_is_explained_as_it_lies(open_page: Callable[..., Page]) -> None:
    """As that of a face at the border does: opened and sent again, it is the same one."""
    page = open_page()
    wait_for_result(page)
    page.click("#crop-open")
    page.fill("#crop-side", "120")
    page.fill("#crop-x", "-40")
    page.fill("#crop-y", "30")
    for _ in range(2):
        with page.expect_response("**/api/v1/explanations*") as sent:
            page.click("#crop-apply")
        assert sent.value.json()["faces"][0]["crop"] == [-40, 30, 120, 120]
        wait_for_result(page)
        page.click("#crop-open")
    page.fill("#crop-x", "-90")
    page.keyboard.press("Tab")
    assert page.input_value("#crop-x") == "-60"  # its centre stays in the picture


def test_the_square_is_resized_by_all_of_its_mark_and_moved_by_the_first_button_alone(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page()
    wait_for_result(page)
    choose(page, large_photo(tmp_path))  # sent at 1600x1200, where the mark reaches 29 pixels inwards
    page.click("#crop-open")
    page.fill("#crop-side", "100")
    page.fill("#crop-x", "700")
    page.fill("#crop-y", "500")
    box = page.locator("#crop-canvas").bounding_box()
    assert box is not None
    left, top, unit = box["x"], box["y"], box["width"] / 1600

    def point(x: float, y: float) -> None:
        page.mouse.move(left + x * unit, top + y * unit)

    def square() -> list[int]:
        return [int(page.input_value(f"#crop-{name}")) for name in ("x", "y", "side")]

    point(774, 574)
    page.mouse.down()
    point(874, 674)
    page.mouse.up()
    x, y, side = square()
    assert (x, y) == (700, 500)
    assert abs(side - 200) <= 3
    drawn = [x, y, side]
    point(750, 550)
    page.mouse.down(button="right")
    point(850, 650)
    page.mouse.up(button="right")
    assert square() == drawn
    point(750, 550)
    page.mouse.down()
    page.eval_on_selector("#crop-canvas", "canvas => canvas.dispatchEvent(new PointerEvent('pointermove', { buttons: 0 }))")
    point(850, 650)  # the button was let go of where the page was not told
    page.mouse.up()
    assert square() == drawn


def two_faces(folder: Path) -> Path:
    both = Image.new("RGB", (768, 384))
    for index, file in enumerate((COLLINS, HOPPER)):
        both.paste(Image.open(file), (384 * index, 0))
    both.save(folder / "both.png")
    return folder / "both.png"


def test_the_face_that_was_picked_stays_picked_while_other_maps_are_asked_for(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page()
    wait_for_result(page)
    choose(page, two_faces(tmp_path))
    picked = page.locator('#faces button[aria-pressed="true"]')
    page.locator("#faces button").nth(1).click()
    page.click(".display > summary")
    for control, value in (("#method", "layercam"), ("#first", "mek_sf")):
        with page.expect_response("**/api/v1/explanations*"):
            page.select_option(control, value)
        wait_for_result(page)
        assert picked.get_attribute("aria-label") == "Face 2 of 2"
    choose(page, tmp_path / "both.png")
    assert picked.get_attribute("aria-label") == "Face 1 of 2"  # of a picture that was chosen anew


def test_one_of_several_faces_can_be_picked(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page()
    wait_for_result(page)
    choose(page, two_faces(tmp_path))
    faces = page.locator("#faces button")
    assert faces.count() == 2
    shown = pixels(page, page.locator("#grid .face-cell canvas").first)
    faces.nth(1).click()
    assert page.locator('#faces button[aria-pressed="true"]:focus').get_attribute("aria-label") == "Face 2 of 2"
    assert not np.array_equal(pixels(page, page.locator("#grid .face-cell canvas").first), shown)


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
    photo = large_photo(tmp_path)
    assert photo.stat().st_size > 4 << 20
    page = open_page()
    wait_for_result(page)
    with page.expect_response("**/api/v1/explanations*") as answered:
        page.set_input_files("#file", str(photo))
    assert answered.value.json()["image"] == {"width": 1600, "height": 1200}  # what the service was sent
    wait_for_result(page)
    assert "sent as a JPEG of 1600 × 1200 pixels" in page.inner_text("#picture-note")
    choose(page, HOPPER)
    assert "sent as" not in page.inner_text("#picture-note")


def test_a_picture_that_the_browser_alone_can_read_is_sent_as_a_jpeg(open_page: Callable[..., Page], tmp_path: Path) -> None:
    """However small it is: a large one always was."""
    Image.open(HOPPER).save(tmp_path / "hopper.gif")
    page = open_page()
    wait_for_result(page)
    with page.expect_response("**/api/v1/explanations*") as answered:
        page.set_input_files("#file", str(tmp_path / "hopper.gif"))
    assert answered.value.status == 200
    wait_for_result(page)
    width, height = Image.open(HOPPER).size
    assert f"sent as a JPEG of {width} × {height} pixels" in page.inner_text("#picture-note")


def test_a_photo_stays_as_it_was_when_it_was_chosen(open_page: Callable[..., Page], tmp_path: Path) -> None:
    photo = Path(shutil.copy(HOPPER, tmp_path / "photo.jpg"))
    page = open_page()
    wait_for_result(page)
    choose(page, photo)
    photo.unlink()
    page.click("#download-npz")
    page.locator("#problem:visible, #download-note:has-text('ready')").first.wait_for()
    assert page.inner_text("#download-note") == "photo-maps.npz is ready."


def test_a_link_is_said_to_be_copied_until_the_view_is_another(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy-link")
    page.locator("#copy-note", has_text="Copied.").wait_for()
    page.click('.chip[data-expression="anger"]')
    assert page.inner_text("#copy-note") == ""


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
