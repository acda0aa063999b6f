"""Many pictures at once in Chromium: the strip, and the archive against the API's own answers."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from model.maps.measures import own_symmetry
from tests.browser.driving import COLLINS, HOPPER, answer_for, hold, violations
from tests.live_server import LiveServer

pytestmark = pytest.mark.browser


def test_the_archive_holds_figures_maps_and_the_numbers(open_page: Callable[..., Page], server: LiveServer, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (300, 300), "grey").save(blank)
    page = open_page("/tray", expected=("422",), bypass_csp=True)
    page.set_input_files("#pictures", [str(HOPPER), str(blank), str(COLLINS)])
    page.wait_for_selector("text=2 of 3 pictures explained")
    assert "No face found" in page.inner_text("#strip > li:nth-child(2)")
    assert page.locator("#strip canvas").count() == 2
    assert violations(page) == []
    with page.expect_download() as started:
        page.click("#tray-zip")
    with zipfile.ZipFile(started.value.path()) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {
            "faces.csv",
            "README.txt",
            *(f"{folder}/{name}.{end}" for folder, end in (("figures", "png"), ("maps", "npz")) for name in ("hopper", "collins")),
        }
        lines = list(csv.DictReader(io.StringIO(archive.read("faces.csv").decode())))
        assert np.load(io.BytesIO(archive.read("maps/hopper.npz"))).files
        assert Image.open(io.BytesIO(archive.read("figures/collins.png"))).width > 500
    check_against_the_service(lines, server)


def test_a_crop_can_be_drawn_where_no_face_was_found(open_page: Callable[..., Page], tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (300, 300), "grey").save(blank)
    page = open_page("/tray", expected=("422",), bypass_csp=True)
    page.set_input_files("#pictures", [str(blank)])
    page.wait_for_selector("text=0 of 1 pictures explained")
    page.get_by_role("button", name="Adjust the crop of blank.png").click()
    assert violations(page) == []
    page.fill("#crop-side", "120")
    page.fill("#crop-x", "30")
    page.fill("#crop-y", "40")
    page.click("#crop-apply")
    page.wait_for_selector("text=1 of 1 pictures explained")
    assert page.locator("#strip canvas").count() == 1
    assert page.evaluate("document.activeElement.innerText") == "Adjust the crop"  # the keyboard goes on from there
    with page.expect_download() as started, page.expect_request("**/api/v1/figures*") as drawn:
        page.click("#tray-zip")
    assert "crop=30%2C40%2C120%2C120" in drawn.value.url
    with zipfile.ZipFile(started.value.path()) as archive:
        assert "maps/blank.npz" in archive.namelist()


def test_a_service_without_room_is_asked_again_after_the_time_it_names(open_page: Callable[..., Page]) -> None:
    page = open_page("/tray", expected=("429", "503"))
    answer: dict[str, Any] = {"headers": {"Retry-After": "2"}, "json": {"title": "Too many requests"}}
    page.route("**/api/v1/explanations*", lambda route: route.fulfill(status=429, **answer), times=1)
    page.route("**/api/v1/maps*", lambda route: route.fulfill(status=503, **answer), times=1)
    page.set_input_files("#pictures", [str(HOPPER)])
    page.wait_for_selector("#strip >> text=Too many requests: trying again in 2 s…")
    page.wait_for_selector("text=1 of 1 pictures explained")
    assert page.locator("#strip canvas").count() == 1
    with page.expect_download():
        page.click("#tray-zip")


def test_a_picture_that_cannot_be_drawn_is_left_out_of_the_archive(open_page: Callable[..., Page]) -> None:
    page = open_page("/tray", expected=("500",))
    page.set_input_files("#pictures", [str(HOPPER), str(COLLINS)])
    page.wait_for_selector("text=2 of 2 pictures explained")
    page.route(
        "**/api/v1/maps*", lambda route: route.fulfill(status=500, json={"title": "Internal error", "detail": "Nothing is kept."}), times=1
    )
    with page.expect_download() as started:
        page.click("#tray-zip")
    page.wait_for_selector("text=5 files in unturned.zip. 1 of 2 pictures could not be drawn: missing.txt says why.")
    with zipfile.ZipFile(started.value.path()) as archive:
        assert set(archive.namelist()) == {"faces.csv", "README.txt", "missing.txt", "figures/collins.png", "maps/collins.npz"}
        assert archive.read("missing.txt").decode() == "hopper.jpg: Internal error. Nothing is kept.\n"
        assert {line["picture"] for line in csv.DictReader(io.StringIO(archive.read("faces.csv").decode()))} == {"hopper", "collins"}


def test_an_archive_of_the_pictures_before_does_not_offer_one_of_those_to_come(open_page: Callable[..., Page]) -> None:
    page = open_page("/tray")
    page.set_input_files("#pictures", [str(HOPPER)])
    page.wait_for_selector("#tray-zip:not([aria-disabled])")
    held = hold(page, "**/api/v1/maps*", "**/api/v1/explanations*")
    with page.expect_request("**/api/v1/maps*"):
        page.click("#tray-zip")
    with page.expect_request("**/api/v1/explanations*"):
        page.set_input_files("#pictures", [str(COLLINS)])
    with page.expect_download():
        held[0].continue_()
    page.wait_for_function("() => document.getElementById('tray-status').textContent.includes('files in unturned.zip')")
    assert page.get_attribute("#tray-zip", "aria-disabled") == "true"
    held[1].continue_()
    page.wait_for_selector("#tray-zip:not([aria-disabled])")


def check_against_the_service(lines: list[dict[str, str]], server: LiveServer) -> None:
    """Every line of the portrait of one face: its numbers, and the symmetry of its map as the science measures it."""
    (face,) = answer_for(server, HOPPER, "?models=baseline,ours")["faces"]
    told = [line for line in lines if line["picture"] == "hopper"]
    assert len(told) == 14
    for line in told:
        explanation = face["explanations"][line["model"]]
        at = explanation["classes"].index(line["expression"])
        assert float(line["p"]) == explanation["probabilities"]["original"][at]
        assert float(line["p_mirrored"]) == explanation["probabilities"]["flipped"][at]
        assert float(line["flip_consistency"]) == explanation["consistency"][line["expression"]]["pearson"]
        symmetry = own_symmetry(np.array(explanation["maps"]["original"][at]))
        assert float(line["own_symmetry"]) == pytest.approx(float(symmetry), abs=1e-6)
        assert line["predicted"] == explanation["predicted"]
        assert line["predicted_mirrored"] == explanation["classes"][int(np.argmax(explanation["probabilities"]["flipped"]))]
