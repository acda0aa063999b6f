"""The service under load, beside a naive async FastAPI and LitServe with the same handler, in one run on one machine.

Each server runs in a process of its own and gets a one-megapixel portrait at constant arrival rates, then three times the rate at which it
saturated. Read goodput, the time of the accepted, the time of the refused, and how the liveness probe fared meanwhile.

    python -m benchmarks.bench_load --rates 2 5 10 15 20 30 --seconds 15
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.portrait import portrait_jpeg
from benchmarks.servers import COMMANDS, LIVE_PATHS, ROOT, installed_servers, resident_megabytes, running_server
from benchmarks.timing import save


def load_step(port: int, rate: float, seconds: float, picture: Path, live: str) -> dict[str, Any]:
    """One rate, offered by a generator process."""
    command = [sys.executable, "-m", "benchmarks.arrivals", "--port", str(port), "--rate", str(rate), "--seconds", str(seconds)]
    done = subprocess.run([*command, "--picture", str(picture), "--live", live], cwd=ROOT, check=True, capture_output=True, text=True)
    step: dict[str, Any] = json.loads(done.stdout)
    return step


def measure(name: str, rates: list[float], seconds: float, picture: Path) -> dict[str, Any]:
    """The rate ladder and the overload of one server."""
    with running_server(name) as port:
        load_step(port, 2, 5, picture, "")  # warm up
        steps = {f"{rate:g}": load_step(port, rate, seconds, picture, LIVE_PATHS[name]) for rate in rates}
        saturation = max(step["served_per_second"] for step in steps.values())
        overload = load_step(port, 3 * saturation, seconds, picture, LIVE_PATHS[name])
        memory = resident_megabytes(port)
    return {"steps": steps, "saturation_per_second": saturation, "overload": overload, "resident_megabytes": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[2, 5, 10, 15, 20, 30], help="requests a second")
    parser.add_argument("--seconds", type=float, default=15, help="seconds a rate")
    parser.add_argument("--servers", nargs="+", choices=COMMANDS, default=list(COMMANDS), help="which servers")
    arguments = parser.parse_args()
    names = [name for name in arguments.servers if name in installed_servers()]
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "portrait.jpg"
        picture.write_bytes(portrait_jpeg())
        figures = {name: measure(name, arguments.rates, arguments.seconds, picture) for name in names}
    print("| server | saturation /s | at 3x: served /s | accepted p50, p99 ms | refused p99 ms | live p99 ms | resident MB |")
    print("|---|---|---|---|---|---|---|")
    for name, figure in figures.items():
        over = figure["overload"]
        served, refused, live = over["served_ms"] or {}, over["refused_ms"] or {}, over["live"]["served_ms"] or {}
        print(
            f"| {name} | {figure['saturation_per_second']:.1f} | {over['served_per_second']:.1f} "
            f"| {served.get('p50')}, {served.get('p99')} "
            f"| {refused.get('p99')} | {live.get('p99')} | {figure['resident_megabytes']:.0f} |"
        )
    save("load", figures, {"rates": arguments.rates, "seconds": arguments.seconds, "megapixels": 1.0})


if __name__ == "__main__":
    main()
