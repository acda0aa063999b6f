"""Many pictures at once in Chromium: the strip, and the archive against the API's own answers."""

from __future__ import annotations

import csv
import io
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
    assert page.locator("#strip canvas").evaluate_all("all => all.map(face => face.getAttribute('aria-label'))") == [
        "Face 1 of hopper.jpg",
        "Face 1 of collins.jpg",
    ]
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


def test_what_whoever_reads_an_answer_should_know_is_in_the_strip_and_in_the_table(open_page: Callable[..., Page], tmp_path: Path) -> None:
    Image.new("RGB", (48, 48), "grey").save(tmp_path / "small.png")
    page = open_page("/tray", bypass_csp=True)
    page.route("**/api/v1/explanations*", lambda route: route.fulfill(json=route.fetch().json() | {"faces_found": 12}))
    page.set_input_files("#pictures", [str(tmp_path / "small.png")])
    page.wait_for_selector("text=1 of 1 pictures explained")
    told = page.inner_text("#strip")
    assert "all of it was taken as the face" in told
    assert "12 faces found" in told
    assert violations(page) == []
    with page.expect_download() as started:
        page.click("#tray-zip")
    with zipfile.ZipFile(started.value.path()) as archive:
        lines = list(csv.DictReader(io.StringIO(archive.read("faces.csv").decode())))
    assert {(line["warnings"], line["faces_found"], line["source"]) for line in lines} == {("taken_whole", "12", "whole")}


def test_pictures_are_dropped_anywhere_on_the_page(open_page: Callable[..., Page]) -> None:
    page = open_page("/tray")
    script = """async (address) => {
      const blob = await (await fetch(address)).blob();
      const data = new DataTransfer();
      data.items.add(new File([blob], 'dropped.jpg', { type: 'image/jpeg' }));
      return ['dragover', 'drop'].map((kind) =>
        document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true })));
    }"""
    assert page.evaluate(script, "/static/samples/biden.jpg") == [False, False]  # the browser does not leave the page for the file
    page.wait_for_selector("text=1 of 1 pictures explained")
    assert "dropped.jpg" in page.inner_text("#strip")
    assert page.evaluate("document.getElementById('pictures').files[0].name") == "dropped.jpg"


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


def test_a_crop_adjusted_while_the_archive_is_made_is_not_in_it(open_page: Callable[..., Page], server: LiveServer) -> None:
    page = open_page("/tray")
    page.set_input_files("#pictures", [str(COLLINS), str(HOPPER)])
    page.wait_for_selector("text=2 of 2 pictures explained")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if re.search("/(figures|maps)", request.url) else None)
    held = hold(page, "**/api/v1/figures*", times=1)
    with page.expect_request("**/api/v1/figures*"):
        page.click("#tray-zip")
    take_whole(page, "hopper.jpg")
    wait_for_look(page, "hopper.jpg")
    assert page.inner_text("#tray-status") == "Drawing picture 1 of 2…"
    assert page.get_attribute("#tray-zip", "aria-disabled") == "true"
    with page.expect_download() as started:
        held[0].continue_()
    page.wait_for_selector("#tray-zip:not([aria-disabled])")
    assert len(asked) == 4
    assert all("crop=detect" in address for address in asked)
    with zipfile.ZipFile(started.value.path()) as archive:
        check_against_the_service(list(csv.DictReader(io.StringIO(archive.read("faces.csv").decode()))), server)


def test_a_crop_adjusted_while_other_pictures_are_looked_at_offers_no_part_of_them(open_page: Callable[..., Page]) -> None:
    page = open_page("/tray")
    held = hold(page, "**/api/v1/explanations*")
    with page.expect_request("**/api/v1/explanations*"):
        page.set_input_files("#pictures", [str(HOPPER), str(COLLINS)])
    assert page.inner_text("#tray-status") == "Looking at picture 1 of 2…"
    with page.expect_request("**/api/v1/explanations*"):
        held[0].continue_()
    with page.expect_request("**/api/v1/explanations*crop=whole"):
        take_whole(page, "hopper.jpg")
    assert page.locator("#crop[open]").count() == 0
    with page.expect_response("**/api/v1/explanations*crop=whole"):
        held[2].continue_()
    wait_for_look(page, "hopper.jpg")
    assert page.inner_text("#tray-status") == "Looking at picture 2 of 2…"
    assert page.get_attribute("#tray-zip", "aria-disabled") == "true"
    held[1].continue_()
    page.wait_for_selector("#tray-zip:not([aria-disabled])")
    assert page.inner_text("#tray-status") == "2 of 2 pictures explained."


def test_the_last_crop_of_a_picture_is_the_one_that_stays(open_page: Callable[..., Page]) -> None:
    """Also where the service had no room for the one before, which is then not asked for again."""
    page = open_page("/tray", expected=("503",))
    page.clock.install()
    page.set_input_files("#pictures", [str(HOPPER)])
    page.wait_for_selector("#tray-zip:not([aria-disabled])")
    answer: dict[str, Any] = {"headers": {"Retry-After": "2000"}, "json": {"title": "Overloaded"}}
    page.route("**/api/v1/explanations*", lambda route: route.fulfill(status=503, **answer), times=1)
    take_whole(page, "hopper.jpg")
    page.wait_for_selector("#strip >> text=Overloaded: trying again in 2000 s…")
    page.get_by_role("button", name="Adjust the crop of hopper.jpg").click()
    page.fill("#crop-side", "200")
    with page.expect_response("**/api/v1/explanations*"):
        page.click("#crop-apply")
    page.wait_for_selector("text=1 of 1 pictures explained")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(2_000_000)
    with page.expect_download():
        page.click("#tray-zip")
    assert [parse_qs(urlsplit(address).query)["crop"][0].endswith(",200,200") for address in asked if "/api/" in address] == [True, True]


def test_a_picture_that_the_service_did_not_answer_for_can_be_sent_again(open_page: Callable[..., Page]) -> None:
    page = open_page("/tray", expected=("ERR_FAILED",), bypass_csp=True)
    page.route("**/api/v1/explanations*", lambda route: route.abort(), times=1)
    page.set_input_files("#pictures", [str(HOPPER)])
    page.wait_for_selector("text=0 of 1 pictures explained")
    assert "The service did not answer. Check the connection and try again." in page.inner_text("#strip")
    again = page.get_by_role("button", name="Try again with hopper.jpg")
    again.wait_for()
    assert violations(page) == []
    again.click()
    page.wait_for_selector("text=1 of 1 pictures explained")
    assert again.count() == 0
    assert page.evaluate("document.activeElement.innerText") == "Adjust the crop"  # the keyboard goes on from there


def test_the_same_pictures_can_be_chosen_again(open_page: Callable[..., Page]) -> None:
    page = open_page("/tray")
    page.set_input_files("#pictures", [str(HOPPER)])
    page.wait_for_selector("text=1 of 1 pictures explained")
    assert page.evaluate("document.getElementById('pictures').files.length") == 1  # the field goes on naming them
    with page.expect_file_chooser():
        page.click("#pictures")
    assert page.evaluate("document.getElementById('pictures').files.length") == 0  # a browser tells of no choice that changes nothing


def test_a_file_is_read_once_and_one_that_is_gone_by_then_is_named(open_page: Callable[..., Page], tmp_path: Path) -> None:
    chosen = [Path(shutil.copy(picture, tmp_path)) for picture in (HOPPER, COLLINS)]
    page = open_page("/tray")
    held = hold(page, "**/api/v1/explanations*")
    with page.expect_request("**/api/v1/explanations*"):
        page.set_input_files("#pictures", [str(file) for file in chosen])
    assert page.inner_text("#tray-status") == "Looking at picture 1 of 2…"
    for file in chosen:
        file.unlink()
    held[0].continue_()
    page.wait_for_selector("text=1 of 2 pictures explained")
    assert "The file cannot be read." in page.inner_text("#strip > li:nth-child(2)")
    assert page.locator("#strip > li:nth-child(2) button").count() == 0
    with page.expect_download() as started:
        page.click("#tray-zip")
    with zipfile.ZipFile(started.value.path()) as archive:
        assert set(archive.namelist()) == {"faces.csv", "README.txt", "figures/hopper.png", "maps/hopper.npz"}


def take_whole(page: Page, picture: str) -> None:
    page.get_by_role("button", name=f"Adjust the crop of {picture}").click()
    page.click("#crop-whole")


def wait_for_look(page: Page, picture: str) -> None:
    """Until the answer to what was asked of one picture is in its place."""
    page.locator("#strip > li", has_text=picture).locator("text=Looking…").wait_for(state="hidden")


def check_against_the_service(lines: list[dict[str, str]], server: LiveServer) -> None:
    """Every line of the portrait of one face: its numbers, and the symmetry of its map as the science measures it."""
    answer = answer_for(server, HOPPER, "?models=baseline,ours")
    (face,) = answer["faces"]
    told = [line for line in lines if line["picture"] == "hopper"]
    assert len(told) == 14
    for line in told:
        assert (line["warnings"], line["faces_found"], line["source"]) == (" ".join(answer["warnings"]), "1", face["source"])
        explanation = face["explanations"][line["model"]]
        at = explanation["classes"].index(line["expression"])
        assert float(line["p"]) == explanation["probabilities"]["original"][at]
        assert float(line["p_mirrored"]) == explanation["probabilities"]["flipped"][at]
        assert float(line["flip_consistency"]) == explanation["consistency"][line["expression"]]["pearson"]
        symmetry = own_symmetry(np.array(explanation["maps"]["original"][at]))
        assert float(line["own_symmetry"]) == pytest.approx(float(symmetry), abs=1e-6)
        assert line["predicted"] == explanation["predicted"]
        assert line["predicted_mirrored"] == explanation["classes"][int(np.argmax(explanation["probabilities"]["flipped"]))]
