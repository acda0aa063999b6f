"""Chromium and a real service process for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.live_server import LiveServer

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def server(random_checkpoints: Path) -> Iterator[LiveServer]:
    with LiveServer("-m", "app.cli", "serve", checkpoint_dir=random_checkpoints) as running:
        yield running.wait_until_ready()


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
