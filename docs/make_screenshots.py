"""Takes the README's screenshots from a running service: ``unturned serve``, then ``python docs/make_screenshots.py``.

Shown are only pictures of the gallery: start the service without UNTURNED_DATASETS, since faces of a data set must not be published.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).resolve().parent / "screenshots"
DESKTOP = {"width": 1440, "height": 900}
WEBP_QUALITY = 90  # of 100
PHONE = {"width": 390, "height": 844}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="example: python docs/make_screenshots.py --url http://127.0.0.1:8000")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the service")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="browser to drive")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        _explorer(browser, options.url)
        _closer(browser, options.url)
        _phone(browser, options.url)
        _claims(browser, options.url)
        browser.close()


def _open(browser: Browser, address: str, size: dict[str, int], scheme: str) -> Page:
    """An explorer page with its result drawn."""
    context = browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=1)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#result:not([hidden]):not(.waiting)")
    page.wait_for_selector("#status:not(.busy)")
    page.wait_for_load_state("networkidle")
    return page


def _write(png: bytes, name: str) -> None:
    """In the format of the name: PNG without loss, or WebP at a fifth of the bytes."""
    Image.open(io.BytesIO(png)).convert("RGB").save(FOLDER / name, optimize=True, quality=WEBP_QUALITY)


def _explorer(browser: Browser, url: str) -> None:
    """The first screen, as it opens."""
    for scheme, name in (("light", "explorer-desktop.png"), ("dark", "explorer-dark.webp")):
        _write(_open(browser, url, DESKTOP, scheme).screenshot(), name)


def _closer(browser: Browser, url: str) -> None:
    page = _open(browser, url, {"width": 1100, "height": 1080}, "light")
    page.locator("#grid .tile").nth(5).click()
    _write(page.locator("#closer").screenshot(), "closer.webp")


def _phone(browser: Browser, url: str) -> None:
    _write(_open(browser, url, PHONE, "light").screenshot(), "phone.webp")


def _claims(browser: Browser, url: str) -> None:
    """The first claim, where there are measurements."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(f"{url}/claims")
    if page.locator('img[src^="/faces/"]').count():
        raise SystemExit("start the service without UNTURNED_DATASETS: faces of the data set must not be published")
    claim = page.locator("#flip_consistency")
    if claim.count():
        _write(claim.screenshot(), "claims.webp")


if __name__ == "__main__":
    main()
