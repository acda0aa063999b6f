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
