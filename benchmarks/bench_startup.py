"""How long each server takes from its start to its first answer and until it is ready, and the memory it then holds, all in one run.

Every round starts each server anew. The first round, which reads everything from disk for the first time, is left out.

    python -m benchmarks.bench_startup --rounds 5
"""

from __future__ import annotations

import argparse
import statistics
import time

from benchmarks.servers import LIVE_PATHS, READY_PATHS, installed_servers, launched_server, server_packages
from benchmarks.timing import save

FIGURES = ("live_seconds", "ready_seconds", "resident_megabytes")
PAUSE_SECONDS = 0.05  # asking more often would itself take the core that is waited for


def start(name: str) -> tuple[float, float, float]:
    """Seconds until the first answer, seconds until ready, resident megabytes when ready."""
    started = time.monotonic()
    with launched_server(name) as server:
        server.wait_for_answer(LIVE_PATHS[name], PAUSE_SECONDS)
        live = time.monotonic() - started
        server.wait_for_answer(READY_PATHS[name], PAUSE_SECONDS)
        return live, time.monotonic() - started, server.resident_megabytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="starts of each server that count")
    arguments = parser.parse_args()
    names = installed_servers()
    starts = [{name: start(name) for name in names} for _ in range(arguments.rounds + 1)][1:]
    figures = {
        name: dict(zip(FIGURES, (statistics.median(values) for values in zip(*(each[name] for each in starts), strict=True)), strict=True))
        for name in names
    }
    print("| server | first answer after s | ready after s | resident MB when ready |")
    print("|---|---|---|---|")
    for name, figure in figures.items():
        print(f"| {name} | {figure['live_seconds']:.2f} | {figure['ready_seconds']:.2f} | {figure['resident_megabytes']:.0f} |")
    save("startup", figures, {"rounds": arguments.rounds}, server_packages())


if __name__ == "__main__":
    main()
