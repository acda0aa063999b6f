"""A long mixed load: good, bad, slow and huge uploads at once, every good answer compared with the one the same picture got alone.

It ends with status 1 when an answer was wrong, a bad upload was not refused as it should be, the service stopped answering, or its memory
grew by more than 50 MB after the first 1,000 good answers; fewer than 2,900 are too few to tell. It goes on until both the minutes and the
good answers are reached.

    python -m benchmarks.soak --minutes 30
    python -m benchmarks.soak --minutes 0 --requests 10000 --largest-side 256
"""

from __future__ import annotations

import argparse
import io
import json
import socket
import statistics
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.portrait import portrait_jpeg
from benchmarks.servers import Server, running_server, server_packages
from benchmarks.timing import save

PATH = "/api/v1/explanations"
FIGURE_PATH = "/api/v1/figures?format=png"
SAMPLE_EVERY = 100
SETTLED_AFTER = 1000
COMPARED_SAMPLES = 10  # at either end
# Samples of a steady service have a standard deviation of up to 30 MB, as requests come and go, so two medians of ten differ by some 17.
GROWTH_LIMIT_MEGABYTES = 50
FIGURE_EVERY_SECONDS = 5
BOUNDARY = "soak"


def form(picture: bytes) -> bytes:
    disposition = b'Content-Disposition: form-data; name="image"; filename="a"'
    return b"\r\n".join([b"--" + BOUNDARY.encode(), disposition, b"", picture, b"--" + BOUNDARY.encode() + b"--", b""])


def post(port: int, body: bytes, path: str = PATH) -> tuple[int, Any]:
    """Status of one upload, and what it was answered: the faces, a figure's bytes, or the code of a problem."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
            return answer.status, content if path == FIGURE_PATH else json.loads(content)["faces"]
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["code"]


def good_bodies(largest_side: int) -> list[bytes]:
    """Uploads of one face at up to eleven sizes, and of two and four of them in one picture."""
    face = Image.open(io.BytesIO(portrait_jpeg(400)))
    pictures = [portrait_jpeg(side) for side in (160, 200, 256, 320, 400, 512, 640, 800, 1000, 1600, 2400) if side <= largest_side]
    for columns, rows in ((2, 1), (2, 2)) if largest_side >= 800 else ():
        sheet = Image.new("RGB", (400 * columns, 400 * rows))
        for column in range(columns):
            for row in range(rows):
                sheet.paste(face, (400 * column, 400 * row))
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=90)
        pictures.append(buffer.getvalue())
    return [form(picture) for picture in pictures]


def bad_pictures() -> list[tuple[bytes, set[int]]]:
    """Broken, huge and hostile uploads, and the statuses that each may get; 503 while the service is full."""
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    jpeg = portrait_jpeg(400)
    return [
        (b"", {422}),
        (b"GIF89a" + bytes(50), {415, 422}),
        (jpeg[: len(jpeg) // 2], {422}),
        (buffer.getvalue(), {422}),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\0\x75\x30" * 2 + b"\x08\x02\0\0\0" + bytes(4), {422}),
        (bytes(11 << 20), {413}),
    ]


def growth(memory: Sequence[tuple[int, float]]) -> float | None:
    """Megabytes by which memory grew once the service had settled: median of the last samples less that of the first.

    Args:
        memory: good answers so far and megabytes then, all sampled under the same load.

    Returns:
        ``None`` where the first and the last samples would overlap.
    """
    settled = [megabytes for done, megabytes in sorted(memory) if done >= SETTLED_AFTER]
    if len(settled) < 2 * COMPARED_SAMPLES:
        return None
    return statistics.median(settled[-COMPARED_SAMPLES:]) - statistics.median(settled[:COMPARED_SAMPLES])


class Soak:
    """The clients, and what they have seen."""

    def __init__(self, server: Server, largest_side: int) -> None:
        self.server, self.port = server, server.port
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.memory: list[tuple[int, float]] = []
        self.bodies = good_bodies(largest_side)
        self.expected = [post(self.port, body) for body in self.bodies]
        self.expected_figure = post(self.port, self.bodies[0], FIGURE_PATH)
        assert all(status == 200 for status, _ in [*self.expected, self.expected_figure])

    def count(self, what: str) -> int:
        with self.lock:
            self.counts[what] += 1
            return self.counts[what]

    def good(self) -> None:
        for number in cycle(range(len(self.bodies))):
            if self.stop.is_set():
                return
            answer = post(self.port, self.bodies[number])
            if answer == self.expected[number]:
                done = self.count("right")
                if done % SAMPLE_EVERY == 0:
                    self.memory.append((done, self.server.resident_megabytes()))
            else:
                self.count("refused when full" if answer[0] == 503 else "WRONG")

    def figure(self) -> None:
        while not self.stop.wait(FIGURE_EVERY_SECONDS):
            answer = post(self.port, self.bodies[0], FIGURE_PATH)
            right = "right figure" if answer == self.expected_figure else "WRONG FIGURE"
            self.count("refused when full" if answer[0] == 503 else right)

    def bad(self) -> None:
        for picture, statuses in cycle(bad_pictures()):
            if self.stop.wait(0.05):
                return
            try:
                status, _ = post(self.port, form(picture))
            except (urllib.error.URLError, OSError):
                status = 413 if len(picture) > 1 << 20 else 0  # closed while we were still sending too much
            self.count("refused as bad" if status in statuses | {503} else "BAD UPLOAD NOT REFUSED")

    def slow(self) -> None:
        """Stall in the head, in the body, and before reading the answer; leave at last."""
        head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: "
        body = self.bodies[0]
        starts = [b"", head[:40].encode(), f"{head}90000\r\n\r\n".encode() + body[:50], f"{head}{len(body)}\r\n\r\n".encode() + body]
        for start in cycle(starts):
            with socket.create_connection(("127.0.0.1", self.port)) as connection:
                connection.sendall(start)
                if self.stop.wait(3):
                    return
            self.count("stalled")


def run(arguments: argparse.Namespace, server: Server) -> Soak:
    soak = Soak(server, arguments.largest_side)
    clients = [soak.good] * arguments.good_clients + [soak.figure, soak.bad] + [soak.slow] * 4
    threads = [threading.Thread(target=client, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60 * arguments.minutes
    with tqdm(total=60 * arguments.minutes, unit="s", desc="soak") as bar:
        while (time.monotonic() < end or soak.counts["right"] < arguments.requests) and all(thread.is_alive() for thread in threads):
            time.sleep(1)
            bar.update()
            bar.set_postfix(soak.counts, refresh=False)
    soak.count("CLIENT ENDED EARLY") if not all(thread.is_alive() for thread in threads) else None
    soak.stop.set()
    for thread in threads:
        thread.join(70)
    return soak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="shortest duration")
    parser.add_argument("--requests", type=int, default=0, help="fewest good answers")
    parser.add_argument("--largest-side", type=int, default=2400, help="pixels of the largest good picture")
    parser.add_argument("--good-clients", type=int, default=3, help="clients that send good pictures one after the other")
    arguments = parser.parse_args()
    started = time.monotonic()
    with running_server("unturned") as server:
        soak = run(arguments, server)
        last = server.resident_megabytes()
    grown = growth(soak.memory)
    faults = {what: number for what, number in soak.counts.items() if what.isupper()}
    seconds = round(time.monotonic() - started)
    figures = {
        "counts": dict(soak.counts),
        "seconds": seconds,
        "memory_megabytes": soak.memory,
        "growth_megabytes": grown,
        "resident_megabytes": last,
    }
    save(f"soak_{arguments.requests or 'mixed'}", figures, vars(arguments), server_packages())
    print(json.dumps({name: value for name, value in figures.items() if name != "memory_megabytes"}, indent=1))
    if grown is None:
        needed = SETTLED_AFTER + (2 * COMPARED_SAMPLES - 1) * SAMPLE_EVERY
        print(f"memory was not checked: fewer than {needed} good answers", file=sys.stderr)
    return 1 if faults or grown is None or grown > GROWTH_LIMIT_MEGABYTES else 0


if __name__ == "__main__":
    sys.exit(main())
