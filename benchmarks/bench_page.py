"""What a visitor waits for in Chromium: requests and bytes of the first screen, and the time from a chosen photo to its maps.

python -m benchmarks.bench_page --rounds 20
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, Response, sync_playwright

from benchmarks.portrait import portrait_jpeg
from benchmarks.servers import running_server, server_packages
from benchmarks.timing import save

CHROMIUM = "/usr/bin/chromium"
FIRST_LOAD = "first load"
SIDES = {"portrait of 1 megapixel": 1000, "portrait of 9 megapixels": 3000}  # the browser shrinks the large one before it is sent


def first_load(page: Page, address: str) -> tuple[int, int]:
    """Requests, and bytes of their answers' bodies as sent, until the first screen has its result."""
    answers: list[Response] = []

    def remember(answer: Response) -> None:  # a function: Playwright marks its handlers
        answers.append(answer)

    page.on("response", remember)
    page.goto(address)
    page.wait_for_selector("#result:not([hidden]):not(.waiting)")
    page.wait_for_load_state("networkidle")
    return len(answers), sum(int(answer.request.sizes()["responseBodySize"]) for answer in answers)


def seconds_to_maps(page: Page, photo: Path) -> float:
    """From the choice of a file to the maps of its face on the page."""
    started = time.monotonic()
    with page.expect_response("**/api/v1/explanations*"):
        page.set_input_files("#file", str(photo))
    page.wait_for_selector("#result:not([hidden]):not(.waiting)")
    page.wait_for_selector("#status:not(.busy)")
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="photos of each size that count, after one that does not")
    rounds = parser.parse_args().rounds
    figures: dict[str, dict[str, float]] = {}
    with running_server("unturned") as server, tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        requests, size = first_load(page, f"http://127.0.0.1:{server.port}/")
        figures[FIRST_LOAD] = {"requests": requests, "bytes": size}
        print(f"first load: {requests} requests, {size / 1000:.0f} kB\n\n| photo | p50 s | p90 s |\n|---|---|---|")
        for name, side in SIDES.items():
            photo = Path(folder, f"{side}.jpg")
            photo.write_bytes(portrait_jpeg(side))
            seconds = [seconds_to_maps(page, photo) for _ in range(rounds + 1)][1:]
            figures[name] = {"p50_seconds": statistics.median(seconds), "p90_seconds": statistics.quantiles(seconds, n=10)[-1]}
            print(f"| {name} | {figures[name]['p50_seconds']:.2f} | {figures[name]['p90_seconds']:.2f} |")
        setting = {"rounds": rounds, "chromium": browser.version}
        browser.close()
    save("page", figures, setting, [*server_packages(), "playwright"])


if __name__ == "__main__":
    main()
