"""What tests of the pages in Chromium share: where things are on the page, and how to wait for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route

from tests.live_server import LiveServer, form, part

SAMPLES = Path(__file__).resolve().parent.parent.parent / "static" / "samples"
COLLINS, HOPPER = SAMPLES / "collins.jpg", SAMPLES / "hopper.jpg"
OVERLAY_SIDE = 168  # pixels of a map's canvas
PAGES = ("/", "/tray", "/claims", "/results", "/models", "/models/ours", "/about", "/samples/hopper")


def wait_for_result(page: Page) -> None:
    page.wait_for_selector("#details:not([hidden])")  # the first result is in the page before the script has run
    page.wait_for_selector("#result:not([hidden]):not(.waiting)")
    page.wait_for_selector("#status:not(.busy)")


def choose(page: Page, *files: Path) -> None:
    """Send a file and wait for its answer."""
    with page.expect_response("**/api/v1/explanations*"):
        page.set_input_files("#file", [str(file) for file in files])
    wait_for_result(page)


def hold(page: Page, *addresses: str, times: int | None = None) -> list[Route]:
    """The requests to some addresses, in their order, or the first ``times`` of each; unanswered until the test lets one go on."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    for address in addresses:
        page.route(address, keep, times=times)
    return held


def large_photo(folder: Path) -> Path:
    """A portrait in noise, 3200x2400."""
    noise = np.random.default_rng(0).integers(0, 40, (2400, 3200, 3), dtype=np.uint8)
    photo = Image.fromarray(noise)
    photo.paste(Image.open(COLLINS).resize((1600, 1600)), (800, 400))
    photo.save(folder / "large.png")
    return folder / "large.png"


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


def violations(page: Page, besides: str = "") -> list[tuple[str, list[str]]]:
    """What axe-core finds on a page, but not in the element that is none of ours: each rule with some of the elements that break it."""
    axe: Any = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page, context={"exclude": [[besides]]} if besides and page.locator(besides).count() else None).response["violations"]
    return [(each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in found]
