"""The page of the REST API in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.live_server import LiveServer

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.mark.browser
def test_every_operation_is_shown(open_page: Callable[..., Page], server: LiveServer) -> None:
    """Swagger UI starts under the page's policy, from our own files, and shows what the document has."""
    page = open_page("/docs")
    page.wait_for_selector(".opblock")
    operations = [operation for methods in server.get("/openapi.json").json["paths"].values() for operation in methods]
    assert page.locator(".opblock").count() == len(operations)


@pytest.mark.browser
def test_it_is_dark_where_the_other_pages_are_and_leads_back_to_them(open_page: Callable[..., Page]) -> None:
    page = open_page("/docs", color_scheme="dark")
    page.wait_for_selector(".opblock")
    brightness = "[document.body, document.querySelector('.swagger-ui .info .title')].map(e => getComputedStyle(e))"
    background, text = page.evaluate(f"{brightness}.map((style, i) => Number((i ? style.color : style.backgroundColor).match(/\\d+/)[0]))")
    assert background < 64 and text > 160
    page.click("#theme-toggle")
    page.wait_for_function("!document.documentElement.classList.contains('dark-mode')")
    page.click("text=Explorer")
    page.wait_for_url("**/")
