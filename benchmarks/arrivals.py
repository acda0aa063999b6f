"""Constant-arrival load from a process of its own: requests start on schedule whether or not earlier ones have been answered.

A closed loop, where each user waits for an answer before asking again, hides every stall of the server; here the time of a
request counts from the moment it was due. Used by bench_load.py; on its own:

    python -m benchmarks.arrivals --port 8000 --rate 10 --seconds 20 --picture face.jpg
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

BOUNDARY = "unturned-load"
ANSWER_LIMIT_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """One request: when it was due, how long until the answer was complete (milliseconds from the due time), its status (0: none came)."""

    due_seconds: float
    milliseconds: float
    status: int


def upload_request(path: str, picture: bytes) -> bytes:
    """The bytes of a multipart POST of one picture, on a connection that closes."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="face.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = head.encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def get_request(path: str) -> bytes:
    """The bytes of a GET on a connection that closes."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()


async def _exchange(port: int, request: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        answer = await reader.read(-1)
    finally:
        writer.close()
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


async def offer(port: int, request: bytes, rate: float, seconds: float) -> list[Answer]:
    """Send ``rate`` requests a second for ``seconds`` to a port of this machine; every answer, in order of the due times."""
    start = time.perf_counter()

    async def one(number: int) -> Answer:
        due = number / rate
        await asyncio.sleep(max(0.0, start + due - time.perf_counter()))
        try:
            status = await asyncio.wait_for(_exchange(port, request), ANSWER_LIMIT_SECONDS)
        except (OSError, TimeoutError):
            status = 0
        return Answer(due, 1000 * (time.perf_counter() - start - due), status)

    return await asyncio.gather(*(one(number) for number in range(round(rate * seconds))))


def summary(answers: list[Answer], seconds: float) -> dict[str, object]:
    """Served a second, milliseconds of the accepted and of the refused at p50, p90, p99 and at most, and how often each status came.

    A queue that is answered after the last request was sent is no throughput: served a second counts until the last answer.
    """
    until = max([seconds, *(answer.due_seconds + answer.milliseconds / 1000 for answer in answers if answer.status == 200)])
    served = sorted(answer.milliseconds for answer in answers if answer.status == 200)
    refused = sorted(answer.milliseconds for answer in answers if answer.status in {429, 503})
    return {
        "offered_per_second": len(answers) / seconds,
        "served_per_second": len(served) / until,
        "served_ms": _percentiles(served),
        "refused_ms": _percentiles(refused),
        "statuses": dict(Counter(str(answer.status) for answer in answers)),
    }


def _percentiles(ordered: list[float]) -> dict[str, float] | None:
    if not ordered:
        return None
    at = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) for name, share in at.items()}


async def _run(arguments: argparse.Namespace) -> dict[str, object]:
    upload = upload_request(arguments.path, arguments.picture.read_bytes())
    load = asyncio.create_task(offer(arguments.port, upload, arguments.rate, arguments.seconds))
    live = asyncio.create_task(offer(arguments.port, get_request(arguments.live), 5, arguments.seconds)) if arguments.live else None
    result = summary(await load, arguments.seconds)
    if live is not None:
        result["live"] = summary(await live, arguments.seconds)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result["generator_cpu_seconds"] = round(usage.ru_utime + usage.ru_stime, 2)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--path", default="/api/v1/explanations", help="where the picture is posted")
    parser.add_argument("--live", default="", help="a path to GET five times a second meanwhile")
    parser.add_argument("--picture", type=Path, required=True, help="the file to post")
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, required=True, help="for how long")
    print(json.dumps(asyncio.run(_run(parser.parse_args()))))


if __name__ == "__main__":
    main()
