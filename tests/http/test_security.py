"""Who may show the pages in a frame: nobody, or whom the settings name."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import HTMLResponse

from app.http.security import EXPLORER_POLICY, PAGE_POLICY, SecurityHeaders
from app.settings import Settings


def policies(settings: Settings) -> list[str]:
    """Those of a page, of a page with a policy of its own, and of data."""
    app = FastAPI()
    app.add_middleware(SecurityHeaders, settings=settings)
    app.get("/page")(lambda: HTMLResponse(""))
    app.get("/explorer")(lambda: HTMLResponse("", headers={"Content-Security-Policy": EXPLORER_POLICY}))
    app.get("/data")(lambda: {"data": 1})
    with TestClient(app) as client:
        return [client.get(path).headers["content-security-policy"] for path in ("/page", "/explorer", "/data")]


def test_no_page_may_stand_in_a_frame() -> None:
    assert ["frame-ancestors 'none'" in policy for policy in policies(Settings())] == [True] * 3


def test_the_origins_of_the_settings_may_show_it_and_nothing_else_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTURNED_FRAME_ANCESTORS", "https://huggingface.co, http://localhost:3000")
    page, explorer, data = policies(Settings())
    named = "frame-ancestors https://huggingface.co http://localhost:3000"
    assert page == PAGE_POLICY.replace("frame-ancestors 'none'", named)
    assert explorer == EXPLORER_POLICY.replace("frame-ancestors 'none'", named)
    assert data == f"default-src 'none'; {named}; sandbox"
