"""The pages in Chromium, from a real service process: every way in, every control, every way out, without errors in the console."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Download, Page, sync_playwright

from app.drawing_style import ColourMap
from app.face_maps import read_maps
from app.rendering import colours
from app.still_page import share_text
from model.claims_report import CLAIMS_FILE, save_claims
from model.expressions import EXPRESSIONS, expression_index
from model.networks import Grid
from model.placement import place_cells
from tests.live_server import LiveServer, form, part
from tests.test_pages import make_report

pytestmark = pytest.mark.browser

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
SAMPLES = Path(__file__).resolve().parent.parent / "static" / "samples"
COLLINS, HOPPER = SAMPLES / "collins.jpg", SAMPLES / "hopper.jpg"
OVERLAY_SIDE = 168  # pixels of a map's canvas
PAGES = ("/", "/claims", "/results", "/models", "/models/ours", "/about", "/samples/hopper")


@pytest.fixture(scope="module")
def server(random_checkpoints: Path) -> Iterator[LiveServer]:
    running = LiveServer("-m", "app.cli", "serve", checkpoint_dir=random_checkpoints)
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(server: LiveServer, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages; at the end none may have logged an error (a violated policy is one) or asked another host for anything."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []
    origin = f"http://127.0.0.1:{server.port}"

    def note(text: str, expected: tuple[str, ...]) -> None:
        if not any(part in text for part in expected):
            faults.append(text)

    def open_page(path: str = "/", expected: tuple[str, ...] = (), **options: Any) -> Page:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(base_url=origin, **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: note(message.text, expected) if message.type == "error" else None)
        page.on("pageerror", lambda error: note(str(error), expected))
        page.on("request", lambda request: None if request.url.startswith((origin, "blob:", "data:")) else faults.append(request.url))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def wait_for_result(page: Page) -> None:
    page.wait_for_selector("#result:not([hidden]):not(.waiting)")
    page.wait_for_selector("#status:not(.busy)")


def choose(page: Page, *files: Path) -> None:
    """Send a file and wait for its answer."""
    with page.expect_response("**/api/v1/explanations*"):
        page.set_input_files("#file", [str(file) for file in files])
    wait_for_result(page)


def answer_for(server: LiveServer, file: Path, query: str = "") -> dict[str, Any]:
    response = server.post(form(part(file.read_bytes())), f"/api/v1/explanations{query}")
    assert response.status == 200
    answer: dict[str, Any] = response.json
    return answer


def tile(page: Page, model: str, view: str, expression: str) -> Any:
    return page.locator(f'#grid .tile[aria-label^="{expression}, {model}, {view}"]')


def pixels(page: Page, selector: Any) -> np.ndarray:
    """A canvas as ``(H, W, 3)``."""
    values = selector.evaluate("c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)")
    side = selector.evaluate("c => [c.height, c.width]")
    return np.array(values, dtype=np.uint8).reshape(*side, 4)[:, :, :3]


def set_value(page: Page, selector: str, value: str) -> None:
    """Move a slider."""
    page.eval_on_selector(selector, "(e, value) => { e.value = value; e.dispatchEvent(new Event('input', { bubbles: true })); }", value)


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """What axe-core finds on a page: each rule with some of the elements that break it."""
    axe: Any = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [(each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in found]


def test_a_visitor_without_a_choice_sees_a_sample_explained(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    assert page.locator("#grid canvas").count() == 4 * len(EXPRESSIONS) + 4
    assert page.locator("#verdict p").count() == 2
    assert page.locator('a[data-sample="collins"]').get_attribute("aria-current") == "true"


def test_the_grid_shows_the_numbers_of_the_rest_api_as_the_renderer_colours_them(
    open_page: Callable[..., Page], server: LiveServer
) -> None:
    page = open_page("/#opacity=1&scale=map")
    wait_for_result(page)
    choose(page, HOPPER)
    explanation = answer_for(server, HOPPER)["faces"][0]["explanations"]["ours"]
    for view, title in (("original", "original"), ("flipped", "mirrored")):
        for index in (0, expression_index("fear")):
            shown = tile(page, "ours", title, EXPRESSIONS[index])
            assert share_text(explanation["probabilities"][view][index]) in shown.inner_text()
            cells = np.array(explanation["maps"][view][index])
            cells /= cells.size
            grid = Grid(**explanation["grid"])
            expected = colours(place_cells(cells, grid, OVERLAY_SIDE), max(cells.max(), 0.0), ColourMap.VIRIDIS)
            difference = np.abs(pixels(page, shown.locator("canvas")).astype(int) - expected.astype(int))
            assert difference.max() <= 4  # neighbouring rows of the table, where rounding falls the other way
            assert difference.mean() < 0.2


def test_what_changes_the_look_changes_it_at_once_and_without_a_request(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if "/icons/" not in request.url else None)  # Chromium's own habit
    canvases = page.locator("#grid .tile canvas")
    look = canvases.evaluate_all("all => all.map(canvas => canvas.toDataURL())")

    def changed() -> bool:
        nonlocal look
        before, look = look, canvases.evaluate_all("all => all.map(canvas => canvas.toDataURL())")
        return bool(before != look)

    for control, value in (("#colours", "jet"), ("#colours", "diverging"), ("#scale", "map"), ("#scale", "all")):
        page.select_option(control, value)
        assert changed(), (control, value)
    assert "all maps: logits contributed per cell" in page.inner_text("#legends")
    set_value(page, "#opacity", "0.2")
    assert changed()
    page.select_option("#focus", "disgust")
    assert page.locator('#grid td[data-class="fear"].faded .tile').count() == 4
    assert page.locator('#grid td[data-class="disgust"].faded .tile').count() == 0
    assert "disgust" in page.inner_text("#swipe-title")
    assert requests == []
    assert page.url.endswith("#colours=diverging&scale=all&opacity=0.2&focus=disgust")


def test_a_link_restores_the_view_and_bad_links_do_no_harm(open_page: Callable[..., Page]) -> None:
    page = open_page("/#colours=jet&opacity=0.3&sample=hopper&scale=<b>&first=../x&nonsense=1")
    wait_for_result(page)
    assert page.input_value("#colours") == "jet"
    assert page.input_value("#opacity") == "0.3"
    assert page.input_value("#scale") == "model"
    assert page.locator('a[data-sample="hopper"]').get_attribute("aria-current") == "true"


def test_pointing_at_a_cell_reads_the_same_spot_of_the_face_in_every_row(open_page: Callable[..., Page], server: LiveServer) -> None:
    page = open_page("/#sample=hopper")
    wait_for_result(page)
    answers = answer_for(server, HOPPER)["faces"][0]["explanations"]
    explanation = answers["baseline"]
    row, column, index = 1, 3, expression_index("fear")
    first, step, size = (explanation["grid"][name] for name in ("first", "step", "input"))
    canvas = tile(page, "baseline", "original", "fear").locator("canvas")
    box = canvas.bounding_box()
    assert box is not None
    at = [(first + step * cell + 0.5) / size * box["width"] for cell in (column, row)]
    canvas.hover(position={"x": at[0], "y": at[1]}, force=True)
    text = page.inner_text("#readout").replace("−", "-")
    assert f"row {row + 1}, column {column + 1}" in text
    for name in ("baseline", "ours"):
        maps = answers[name]["maps"]
        cells = len(maps["original"][0]) ** 2
        mirrored_column = len(maps["original"][0]) - 1 - column
        for value in (maps["original"][index][row][column], maps["flipped"][index][row][mirrored_column]):
            assert f"{round(value / cells, 2) + 0.0:+.2f}" in text
    marks = page.locator("#grid .probe:visible")
    assert marks.count() == 28
    page.keyboard.press("Tab")


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


def test_the_swipe_shows_one_model_on_either_side(open_page: Callable[..., Page]) -> None:
    page = open_page("/#focus=anger")
    wait_for_result(page)
    maps = [pixels(page, tile(page, name, "original", "anger").locator("canvas")) for name in ("baseline", "ours")]
    set_value(page, "#swipe-range", "50")
    shown = pixels(page, page.locator("#swipe-canvas"))
    half = OVERLAY_SIDE // 2
    assert np.array_equal(shown[:, :half], maps[0][:, :half])
    assert np.array_equal(shown[:, half:], maps[1][:, half:])


def test_another_model_or_method_asks_the_service_again(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    with page.expect_response(lambda response: "models=mek_sf%2Cours" in response.url):
        page.select_option("#first", "mek_sf")
    wait_for_result(page)
    assert page.locator("#grid .model-name").all_inner_texts() == ["mek_sf", "mek_sf", "ours", "ours"]
    with page.expect_response(lambda response: "method=layercam" in response.url):
        page.select_option("#method", "layercam")
    wait_for_result(page)
    assert "strengths do not compare" in page.inner_text("#warnings")
    with page.expect_response(lambda response: "models=ours%2Cmek_sf" in response.url):
        page.select_option("#second", "mek_sf")  # shown above already: the two change places
    wait_for_result(page)


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_pictures_come_in_by_paste_and_drop(open_page: Callable[..., Page], way: str) -> None:
    page = open_page()
    wait_for_result(page)
    script = """async ([address, way]) => {
      const blob = await (await fetch(address)).blob();
      const data = new DataTransfer();
      data.items.add(new File([blob], 'x.jpg', { type: 'image/jpeg' }));
      const event = way === 'paste'
        ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true })
        : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
      document.body.dispatchEvent(event);
    }"""
    with page.expect_response("**/api/v1/explanations*") as sent:
        page.evaluate(script, ["/static/samples/biden.jpg", way])
    assert sent.value.status == 200
    wait_for_result(page)
    assert page.locator("#credit").inner_text() == "Your own picture is shown."


def test_a_gallery_picture_can_be_chosen_and_is_named_in_the_address(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.click('a[data-sample="obama-portrait"]')
    page.wait_for_selector('a[data-sample="obama-portrait"][aria-current="true"]')
    wait_for_result(page)
    assert page.url.endswith("#sample=obama-portrait")
    assert "Pete Souza" in page.inner_text("#credit")


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


def test_the_crop_can_be_drawn_by_hand(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.click("#crop-open")
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
    assert "The crop you chose" in page.inner_text("#picture-note")


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
    assert page.locator('#faces button[aria-pressed="true"]').get_attribute("aria-label") == "Face 2 of 2"
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


def test_downloads_hold_the_shown_maps_and_figures(open_page: Callable[..., Page], server: LiveServer) -> None:
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
    assert Image.open(io.BytesIO(download('[data-format="png"]'))).width > 1000
    assert b"<svg" in download('[data-format="svg"]')[:600]
    assert download('[data-format="pdf"]').startswith(b"%PDF")


def test_without_javascript_the_form_gives_the_same_answer_in_words_and_pictures(open_page: Callable[..., Page]) -> None:
    live = open_page()
    wait_for_result(live)
    choose(live, HOPPER)
    still = open_page(java_script_enabled=False)
    assert still.locator("text=Use the webcam").count() == 0 or not still.locator("text=Use the webcam").is_visible()
    still.set_input_files("#file", str(HOPPER))
    still.click("text=Show the maps")
    still.wait_for_selector(".still table.maps")
    assert still.locator('.tile img[src^="data:image/webp"]').count() == 28
    assert all(still.locator(".tile img").evaluate_all("images => images.map(image => image.naturalWidth > 0)"))
    assert still.locator(".cue p").all_inner_texts() == live.locator(".cue p").all_inner_texts()
    assert still.locator(".tile .share").all_inner_texts() == live.locator(".tile .share").all_inner_texts()
    assert still.locator("td.agreement").all_inner_texts() == live.locator("td.agreement").all_inner_texts()
    assert still.locator(".verdict p").all_inner_texts() == live.locator(".verdict p").all_inner_texts()
    still.set_input_files("#file", str(HOPPER))
    still.click("text=Take the whole picture as the face")
    still.wait_for_selector(".still table.maps")


def test_without_javascript_problems_are_pages(open_page: Callable[..., Page], tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (300, 300), "grey").save(blank)
    page = open_page(java_script_enabled=False, expected=("422",))
    page.set_input_files("#file", str(blank))
    page.click("text=Show the maps")
    assert page.locator("h1").inner_text() == "No face found"
    assert "Take the whole picture as the face" in page.inner_text("main")


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


def test_the_theme_follows_the_system_until_the_visitor_chooses(open_page: Callable[..., Page]) -> None:
    page = open_page("/about", color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme-toggle")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light
    assert page.inner_text("#theme-toggle") == "Dark"


@pytest.fixture(scope="module")
def server_with_faces(random_checkpoints: Path, ferplus_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("claimed") / "checkpoints"
    shutil.copytree(random_checkpoints, folder)
    save_claims(folder / CLAIMS_FILE, make_report(0.1))
    running = LiveServer("-m", "app.cli", "serve", checkpoint_dir=folder, datasets=ferplus_zip.parent)
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


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
