"""The grid of maps in Chromium: its numbers and colours, every control, and the pointer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from app.choices import ColourMap
from app.drawing.colours import colours
from app.numbers import share_text
from model.expressions import EXPRESSIONS, expression_index
from model.maps.picture import place_cells
from model.networks import Grid
from tests.browser.driving import (
    HOPPER,
    OVERLAY_SIDE,
    answer_for,
    choose,
    hold,
    pixels,
    set_value,
    tile,
    wait_for_result,
)
from tests.live_server import LiveServer
from tests.made_checkpoints import CELLS

pytestmark = pytest.mark.browser


def test_a_visitor_without_a_choice_sees_a_sample_explained(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    assert page.locator("#grid canvas").count() == 4 * len(EXPRESSIONS) + 4
    assert "mirror" in page.inner_text(".hero-answer")
    assert page.locator("a[data-sample]").first.get_attribute("aria-current") == "true"


def test_the_grid_shows_the_numbers_of_the_rest_api_as_the_renderer_colours_them(
    open_page: Callable[..., Page], server: LiveServer
) -> None:
    page = open_page("/#opacity=1&scale=map&colours=viridis")
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
            expected = colours(place_cells(np.maximum(cells, 0.0), grid, OVERLAY_SIDE), max(cells.max(), 0.0), ColourMap.VIRIDIS)
            difference = np.abs(pixels(page, shown.locator("canvas")).astype(int) - expected.astype(int))
            assert difference.max() <= 4  # neighbouring rows of the table, where rounding falls the other way
            assert difference.mean() < 0.2


def test_what_changes_the_look_changes_it_at_once_and_without_a_request(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.click(".display > summary")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if "/icons/" not in request.url else None)  # Chromium's own habit
    canvases = page.locator("#grid .tile canvas")
    look = canvases.evaluate_all("all => all.map(canvas => canvas.toDataURL())")

    def changed() -> bool:
        nonlocal look
        before, look = look, canvases.evaluate_all("all => all.map(canvas => canvas.toDataURL())")
        return bool(before != look)

    for control, value in (("#colours", "jet"), ("#colours", "discs"), ("#scale", "map"), ("#scale", "all")):
        page.select_option(control, value)
        assert changed(), (control, value)
    assert "all maps: logits contributed per cell" in page.inner_text("#legends")
    set_value(page, "#opacity", "0.2")
    assert changed()
    page.select_option("#focus", "disgust")
    assert page.locator("#grid th.shown").get_attribute("data-class") == "disgust"
    assert page.inner_text('.hero-row:first-of-type [data-slot="expression"]') == "disgust"
    assert page.locator("#grid .tile.predicted canvas").evaluate_all("all => all.every(canvas => getComputedStyle(canvas).opacity === '1')")
    assert "disgust" in page.inner_text("#swipe-title")
    assert requests == []
    assert page.url.endswith("#colours=discs&scale=all&opacity=0.2&focus=disgust")


def test_a_link_restores_the_view_and_bad_links_do_no_harm(open_page: Callable[..., Page]) -> None:
    page = open_page("/#colours=jet&opacity=0.3&sample=hopper&scale=<b>&first=../x&nonsense=1")
    wait_for_result(page)
    assert page.input_value("#colours") == "jet"
    assert page.input_value("#opacity") == "0.3"
    assert page.input_value("#scale") == "model"
    assert page.locator('a[data-sample="hopper"]').get_attribute("aria-current") == "true"


def test_a_link_to_unknown_models_or_methods_shows_the_usual_ones(open_page: Callable[..., Page]) -> None:
    page = open_page("/#first=foo&second=mek_sf&method=nonsense")
    wait_for_result(page)
    assert [page.input_value(f"#{name}") for name in ("first", "second", "method")] == ["baseline", "mek_sf", "cam"]
    assert page.url.endswith("/#second=mek_sf")


def test_a_link_to_a_method_that_this_server_lacks_shows_the_usual_one(open_page: Callable[..., Page]) -> None:
    page = open_page("/about")
    start = hold(page, "**/explorer/start.json")
    with page.expect_request("**/explorer/start.json"):
        page.goto("/#method=layercam")
    page.eval_on_selector('#method option[value="layercam"]', "option => { option.disabled = true; }")  # as it is without PyTorch
    with page.expect_request("**/api/v1/explanations*") as asked:
        start[0].continue_()
    assert "method=cam&" in asked.value.url
    wait_for_result(page)
    assert page.input_value("#method") == "cam"
    assert "method" not in page.url


def test_a_choice_is_shown_where_the_browser_refuses_to_write_it_into_the_address(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    shown = page.locator("#grid .tile canvas").first
    before = pixels(page, shown)
    page.evaluate("() => { history.replaceState = () => { throw new DOMException('Too many', 'SecurityError'); }; }")
    set_value(page, "#opacity", "0.1")
    assert page.text_content("#opacity-value") == "10 %"
    assert not np.array_equal(pixels(page, shown), before)


@pytest.mark.parametrize(
    ("address", "models"),
    [
        ("second=baseline", ["baseline", "ours"]),
        ("first=ours", ["ours", "baseline"]),
        ("first=mine&second=baseline", ["baseline", "ours"]),  # shared by somebody whose server has `mine`
    ],
)
def test_a_link_never_sets_a_model_beside_itself(open_page: Callable[..., Page], address: str, models: list[str]) -> None:
    page = open_page(f"/#{address}")
    wait_for_result(page)
    assert [page.input_value(f"#{name}") for name in ("first", "second")] == models
    assert page.locator('.hero-row [data-slot="name"]').all_inner_texts() == models


def test_maps_keep_the_name_of_their_method_while_another_cannot_be_had(open_page: Callable[..., Page]) -> None:
    page = open_page(expected=("500",))
    wait_for_result(page)
    page.click(".display > summary")
    page.route("**/api/v1/explanations*method=layercam*", lambda route: route.fulfill(status=500, json={"title": "Internal error"}))
    page.select_option("#method", "layercam")
    page.locator("#problem:visible").wait_for()
    tile(page, "baseline", "original", "fear").focus()
    page.keyboard.press("ArrowRight")  # reads a spot
    assert "logits contributed per cell" in page.inner_text("#legends")
    assert "logits contributed per cell" in page.inner_text("#readout")
    assert page.inner_text('.hero [data-slot="limit"]').endswith("logits per cell")
    assert page.text_content("#cues-note") == ""
    with page.expect_request("**/api/v1/figures*") as drawn:
        page.click("#figure-open")
    assert "method=cam&" in drawn.value.url
    assert "Maps (CAM) of" in (page.text_content("#figure-latex") or "")


def test_the_page_waits_until_the_models_are_loaded(open_page: Callable[..., Page]) -> None:
    page = open_page("/about", expected=("503",))
    page.route("**/explorer/start.json", lambda route: route.fulfill(status=503, json={"code": "not_ready", "title": "Not ready"}), times=1)
    page.goto("/")
    page.wait_for_selector("#status.busy >> text=The models are loading")
    wait_for_result(page)
    assert page.locator("#problem:visible").count() == 0
    assert page.text_content("#status-text") == f"Done. {page.text_content('.hero-answer')}"


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
    page.mouse.move(2, 2)
    assert page.locator("#grid .probe:visible").count() == 0


def test_differences_of_maps_that_agree_and_of_maps_that_do_not_look_different(open_page: Callable[..., Page]) -> None:
    """One model's maps are those of the mirror image (r 1.00); the other's are mixed until r is .65, and are a hundred times weaker."""
    page = open_page("/about")
    page.route("**/api/v1/explanations*", lambda route: route.fulfill(json=made_to_agree(route.fetch().json())))
    page.goto("/#focus=fear")
    wait_for_result(page)
    page.locator('#grid th[data-class="fear"] .class-button').first.click()
    panels = page.locator('#closer canvas[aria-label*="difference"]')
    apart, alike = (coloured(pixels(page, panels.nth(model))) for model in (0, 1))
    shown = coloured(pixels(page, page.locator('#closer canvas[aria-label*="original"]').first))
    assert alike == 0
    assert apart > 0.3 * shown > 0
    text = page.inner_text("#closer-models")
    assert "Flip consistency 0.65" in text and "Flip consistency 1.00" in text


def coloured(picture: np.ndarray) -> float:
    """Mean distance of a picture's channels: a grey one has none."""
    return float((picture.max(axis=2).astype(int) - picture.min(axis=2)).mean())


def made_to_agree(answer: dict[str, Any]) -> dict[str, Any]:
    explanations = answer["faces"][0]["explanations"]
    index = expression_index("fear")
    for name, correlation in (("baseline", 0.65), ("ours", 1.0)):
        explanation = explanations[name]
        first, other = (standard(np.array(explanation["maps"]["original"][at])) for at in (index, 0))
        other = standard(other - (first * other).mean() * first)  # what of the other map the first does not tell
        mixed = correlation * first + np.sqrt(1 - correlation**2) * other
        strength = 1.0 if name == "baseline" else 100.0
        explanation["maps"]["original"][index] = (strength * first).tolist()
        explanation["maps"]["flipped"][index] = (strength * mixed)[:, ::-1].tolist()
        assert np.corrcoef(first.ravel(), mixed.ravel())[0, 1] == pytest.approx(correlation)
        explanation["consistency"]["fear"]["pearson"] = correlation
    return answer


def standard(values: np.ndarray) -> np.ndarray:
    """With mean 0 and standard deviation 1."""
    centred: np.ndarray = (values - values.mean()) / values.std()
    return centred


def test_a_class_enlarged_fits_a_small_window(open_page: Callable[..., Page]) -> None:
    page = open_page(viewport={"width": 900, "height": 900})
    wait_for_result(page)
    page.locator("#grid .class-button").first.click()
    dialog = page.locator("#closer[open]")
    assert dialog.evaluate(
        "dialog => dialog.scrollWidth <= dialog.clientWidth && dialog.getBoundingClientRect().right <= window.innerWidth"
    )


@pytest.mark.parametrize("width", [768, 844, 941, 1000])
def test_no_classs_name_is_broken(open_page: Callable[..., Page], width: int) -> None:
    page = open_page(viewport={"width": width, "height": 900})
    wait_for_result(page)
    fits = "all => all.every(button => button.scrollWidth <= button.clientWidth && button.getClientRects().length === 1)"
    assert page.locator("#grid .class-button").evaluate_all(fits)
    lines = """all => all.map(button => {
      const text = document.createRange();
      text.selectNodeContents(button.firstChild);
      return text.getClientRects().length;
    })"""
    assert set(page.locator("#grid .class-button").evaluate_all(lines)) == {1}


def test_a_mirrored_map_turns_back_under_the_mouse_and_is_read_as_shown(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    wait_for_result(page)
    button = tile(page, "ours", "mirrored", "fear")
    button.scroll_into_view_if_needed()
    box = button.locator("canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.15 * box["width"], box["y"] + 0.5 * box["height"])
    assert button.locator(".frame").evaluate("frame => new DOMMatrix(getComputedStyle(frame).transform).a") == -1
    page.mouse.move(box["x"] + 0.16 * box["width"], box["y"] + 0.5 * box["height"])
    assert "column 1 " in page.inner_text("#readout")


def test_where_nothing_hovers_a_mirrored_map_is_read_as_it_lies(open_page: Callable[..., Page]) -> None:
    """By a pen, or by a mouse beside a touch screen."""
    page = open_page(has_touch=True, is_mobile=True, reduced_motion="reduce")
    wait_for_result(page)
    button = tile(page, "ours", "mirrored", "fear")
    button.scroll_into_view_if_needed()
    box = button.locator("canvas").bounding_box()
    assert box is not None
    for share in (0.15, 0.16):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
    assert button.locator(".frame").evaluate("frame => getComputedStyle(frame).transform") == "none"
    assert f"column {CELLS} " in page.inner_text("#readout")


def test_what_a_finger_touched_is_read_after_it_was_lifted(open_page: Callable[..., Page]) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, reduced_motion="reduce")
    wait_for_result(page)
    tile(page, "baseline", "original", "fear").locator("canvas").tap()
    page.locator("#closer[open]").wait_for()
    page.tap("#closer-close")
    assert "fear at row 3, column 3" in page.inner_text("#readout")
    assert page.locator("#grid .probe:visible").count() == 28


def test_the_swipe_shows_one_model_on_either_side(open_page: Callable[..., Page]) -> None:
    page = open_page("/#focus=anger")
    wait_for_result(page)
    maps = [pixels(page, tile(page, name, "original", "anger").locator("canvas")) for name in ("baseline", "ours")]
    set_value(page, "#swipe-range", "50")
    shown = pixels(page, page.locator("#swipe-canvas"))
    half = OVERLAY_SIDE // 2
    assert np.array_equal(shown[:, :half], maps[0][:, :half])
    assert np.array_equal(shown[:, half:], maps[1][:, half:])


def test_the_swipe_shows_the_expression_of_the_first_look(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    shown = page.locator('.chip[aria-pressed="true"]').inner_text()
    assert page.inner_text("#swipe-title") == f"Swipe between the models: {shown}"


def test_what_is_shown_is_dimmed_until_another_models_maps_are_there(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.click(".display > summary")
    held = hold(page, "**/api/v1/explanations*")
    page.select_option("#first", "mek_sf")
    for part in ("result", "picture-panel", "details"):
        page.wait_for_selector(f"#{part}.waiting")
    held[0].continue_()
    wait_for_result(page)
    assert page.locator(".waiting").count() == 0


def test_another_model_or_method_asks_the_service_again(open_page: Callable[..., Page]) -> None:
    page = open_page()
    wait_for_result(page)
    page.click(".display > summary")
    with page.expect_response(lambda response: "models=mek_sf%2Cours" in response.url):
        page.select_option("#first", "mek_sf")
    wait_for_result(page)
    assert page.locator("#grid .model-name").all_inner_texts() == ["mek_sf", "mek_sf", "ours", "ours"]
    assert "the same network" in page.inner_text("#warnings")
    with page.expect_response(lambda response: "method=layercam" in response.url):
        page.select_option("#method", "layercam")
    wait_for_result(page)
    assert "strengths cannot be compared" in page.inner_text("#warnings")
    assert "read from the exact maps (CAM)" in page.inner_text("#cues-note")
    with page.expect_response(lambda response: "models=ours%2Cmek_sf" in response.url):
        page.select_option("#second", "mek_sf")  # shown above already: the two change places
    wait_for_result(page)
