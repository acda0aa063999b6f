"""The findings of an audit in a browser: filtered, read by assistive technology, and a face opened in the explorer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from model.findings.command import write_findings
from tests.browser.driving import violations, wait_for_result
from tests.live_server import LiveServer
from tests.made_findings import MadeFace, write_audit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(random_checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("audit")
    names = ("neutral", "happiness")
    faces = [MadeFace(f"plain{index}.png", names[index % 2], names[index % 2]) for index in range(8)]
    faces.append(MadeFace("wrong.png", "happiness", "neutral", sure=0.95))
    write_findings(write_audit(folder, faces))
    with LiveServer("-m", "app.cli", "serve", checkpoint_dir=random_checkpoints, audit=folder) as running:
        yield running.wait_until_ready()


def test_findings_can_be_filtered_and_a_face_opened(open_page: Callable[..., Page]) -> None:
    page = open_page()
    look = "getComputedStyle(document.querySelector('.site-head')).backgroundColor"
    usual = page.evaluate(look)
    page.click("nav >> text=Audit")
    page.wait_for_url("**/audit")
    assert page.evaluate(look) == usual
    page.select_option("#kind", "label")
    page.click("text=Show")
    page.wait_for_url("**kind=label**")
    assert "1 finding." in page.inner_text("main")
    assert violations(page) == []
    page.locator(".browser-faces a").first.click()
    wait_for_result(page)
    assert "wrong.png, labelled happiness. The audit: " in page.inner_text("#credit")
    assert "The whole picture was taken as the face" in page.inner_text("#picture-note")


def test_without_javascript_the_server_draws_the_face(server: LiveServer) -> None:
    answer = server.get("/audit/8")
    assert answer.status == 200
    assert b'src="data:image/' in answer.body
