"""The service under load, beside a naive async FastAPI and LitServe with the same handler, in one run on one machine.

Each server has one core for itself and its processes, the generator another. It gets a one-megapixel portrait at constant arrival rates,
then four fifths of the rate at which it saturated, then three times that rate. Read goodput, the time of the accepted, the time of the
refused, and how the liveness probe fared meanwhile. The service then gets faces of 48 pixels taken whole, which need no detection.

    python -m benchmarks.bench_load --rates 4 8 12 16 20 24 --seconds 8
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.bench_request import small_face
from benchmarks.portrait import portrait_jpeg
from benchmarks.servers import COMMANDS, LIVE_PATHS, ROOT, installed_servers, on_core, running_server, server_packages
from benchmarks.timing import save

EXPLAIN = "/api/v1/explanations"
SMALL_FACES = "unturned, 48-pixel faces"
BUSY, OVERLOAD = 0.8, 3.0  # times the rate at which a server saturates


class Generator:
    """Offers one picture to a server from a process on a core of its own."""

    def __init__(self, core: int, picture: Path, path: str, live: str) -> None:
        command = [*on_core(core), sys.executable, "-m", "benchmarks.arrivals", "--picture", str(picture), "--path", path, "--live", live]
        self._command = command

    def offer(self, port: int, rate: float, seconds: float) -> dict[str, Any]:
        """One rate; what :mod:`benchmarks.arrivals` says of it."""
        asked = ["--port", str(port), "--rate", str(rate), "--seconds", str(seconds)]
        done = subprocess.run([*self._command, *asked], cwd=ROOT, check=True, capture_output=True, text=True)
        step: dict[str, Any] = json.loads(done.stdout)
        return step

    def ladder(self, port: int, rates: list[float], seconds: float) -> dict[str, Any]:
        """Rates one after the other, then four fifths and three times of the most that was served a second."""
        self.offer(port, 2, 4)  # warm up
        steps = {f"{rate:g}": self.offer(port, rate, seconds) for rate in rates}
        saturation = max(step["served_per_second"] for step in steps.values())
        busy, overload = (self.offer(port, times * saturation, length) for times, length in ((BUSY, 2 * seconds), (OVERLOAD, seconds)))
        return {"steps": steps, "saturation_per_second": saturation, "busy": busy, "overload": overload}


def row(name: str, figure: dict[str, Any]) -> str:
    """A line of the table."""
    saturation, busy, over = figure["saturation_per_second"], figure["busy"], figure["overload"]

    def of(step: dict[str, Any], *percentiles: str) -> str:
        return ", ".join(f"{(step or {}).get(name, float('nan')):.0f}" for name in percentiles) if step else "none"

    cells = [
        name,
        f"{saturation:.1f}",
        of(busy["served_ms"], "p50", "p99"),
        f"{over['served_per_second']:.1f} ({over['served_per_second'] / saturation:.0%})",
        of(over["served_ms"], "p50", "p99"),
        of(over["refused_ms"], "p50", "p99"),
        of(over["live"]["served_ms"], "p99"),
        f"{figure['resident_megabytes']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[4, 8, 12, 16, 20, 24], help="portraits a second")
    parser.add_argument("--small-rates", type=float, nargs="+", default=[20, 40, 60, 80], help="48-pixel faces a second")
    parser.add_argument("--seconds", type=float, default=8, help="seconds a rate")
    parser.add_argument("--servers", nargs="+", choices=COMMANDS, default=list(COMMANDS), help="which servers")
    parser.add_argument("--server-core", type=int, default=cores[0], help="the server's core")
    parser.add_argument("--generator-core", type=int, default=cores[-1], help="the generator's core")
    arguments = parser.parse_args()
    if arguments.server_core == arguments.generator_core:
        parser.error(f"server and generator would share core {arguments.server_core}: let this program run on two, or name another")
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        portrait, small = Path(folder) / "portrait.jpg", Path(folder) / "face.png"
        portrait.write_bytes(portrait_jpeg())
        small.write_bytes(small_face())
        for name in (name for name in arguments.servers if name in installed_servers()):
            with running_server(name, arguments.server_core) as server:
                generator = Generator(arguments.generator_core, portrait, EXPLAIN, LIVE_PATHS[name])
                figures[name] = generator.ladder(server.port, arguments.rates, arguments.seconds)
                figures[name]["resident_megabytes"] = server.resident_megabytes()
                if name == "unturned":
                    whole = Generator(arguments.generator_core, small, f"{EXPLAIN}?crop=whole", LIVE_PATHS[name])
                    figures[SMALL_FACES] = whole.ladder(server.port, arguments.small_rates, arguments.seconds)
                    figures[SMALL_FACES]["resident_megabytes"] = server.resident_megabytes()
    heads = ["server", "saturation /s", "at 80 %: p50, p99 ms", "at 3x: served /s", "accepted p50, p99 ms", "refused p50, p99 ms"]
    print(f"| {' | '.join([*heads, 'live p99 ms', 'resident MB'])} |\n|{'---|' * (len(heads) + 2)}")
    for name, figure in figures.items():
        print(row(name, figure))
    setting = {"rates": arguments.rates, "small_rates": arguments.small_rates, "seconds": arguments.seconds, "megapixels": 1.0}
    setting |= {"server_core": arguments.server_core, "generator_core": arguments.generator_core}
    save("load", figures, setting, server_packages())


if __name__ == "__main__":
    main()
