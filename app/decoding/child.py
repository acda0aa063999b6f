"""The decoder process: reads pictures from its standard input, writes pixels to its standard output, and can do little else.

A job is a length and that many bytes. The answer is a :data:`REPLY` head, a JSON object (``{"width", "height", "warnings"}``, or
``{"code", "detail"}`` of a refusal), then RGB rows, none for a refusal. Memory and processor time are limited, and once warm the process
can open neither file nor socket.
"""

from __future__ import annotations

import io
import json
import resource
import signal
import struct
import sys
from dataclasses import asdict, dataclass
from typing import BinaryIO

from PIL import Image

from app.decoding.codec import read_picture
from app.decoding.headers import DecodeLimits, ImageRefused
from app.priority import give_way

JOB = struct.Struct("<Q")  # bytes of the picture
REPLY = struct.Struct("<IHH")  # bytes of JSON, then columns and rows of the pixels


@dataclass(frozen=True)
class ChildLimits:
    """What one decoder process may use."""

    memory_bytes: int = 512 << 20
    cpu_seconds_per_picture: float = 2.0


def main() -> None:
    """Serve jobs until standard input ends. Arguments: :class:`DecodeLimits` and :class:`ChildLimits` as JSON objects."""
    limits = DecodeLimits(**json.loads(sys.argv[1]))
    allowance = ChildLimits(**json.loads(sys.argv[2]))
    give_way()
    _warm_up()
    if sys.platform == "linux":  # macOS takes no limit below what every process maps at its start
        resource.setrlimit(resource.RLIMIT_AS, (allowance.memory_bytes, allowance.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    jobs, replies = sys.stdin.buffer, sys.stdout.buffer
    _write(replies, {}, None)
    while head := jobs.read(JOB.size):
        data = jobs.read(JOB.unpack(head)[0])
        signal.setitimer(signal.ITIMER_PROF, allowance.cpu_seconds_per_picture)  # then SIGPROF ends the process
        _serve(data, limits, replies)
        signal.setitimer(signal.ITIMER_PROF, 0.0)


def _serve(data: bytes, limits: DecodeLimits, replies: BinaryIO) -> None:
    try:
        picture = read_picture(data, limits)
    except ImageRefused as refused:
        _write(replies, {"code": refused.code, "detail": refused.detail}, None)
        return
    _write(replies, {"width": picture.width, "height": picture.height, "warnings": picture.warnings}, picture.rgb)


def _write(replies: BinaryIO, facts: dict[str, object], rgb: Image.Image | None) -> None:
    body = json.dumps(facts).encode()
    columns, rows = (0, 0) if rgb is None else rgb.size
    replies.write(REPLY.pack(len(body), columns, rows) + body)
    if rgb is not None:
        replies.write(rgb.tobytes())
    replies.flush()


def _warm_up() -> None:
    """Decode one small picture of each format, so that everything that is imported on first use has been."""
    sample = Image.new("RGB", (64, 64), (90, 120, 150))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("JPEG", "PNG", "WEBP"):
        file = io.BytesIO()
        sample.save(file, name, exif=exif)
        read_picture(file.getvalue(), DecodeLimits())


def limits_as_arguments(limits: DecodeLimits, allowance: ChildLimits) -> list[str]:
    """Command-line arguments that :func:`main` reads back."""
    return [json.dumps(asdict(limits)), json.dumps(asdict(allowance))]


if __name__ == "__main__":
    main()
