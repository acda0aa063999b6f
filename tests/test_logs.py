"""What is left of log lines where the output does not take all of them."""

from __future__ import annotations

import errno
import logging
import threading
from types import SimpleNamespace

import pytest

from app import logs
from tests.live_server import PATIENCE_SECONDS, patiently


class Disk:
    """An output that takes ``room`` more bytes, and then is full."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = b""

    def write(self, _descriptor: int, data: bytes) -> int:
        part = data[: self.room]
        if not part:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(part)
        self.taken += part
        return len(part)


@pytest.mark.parametrize(("room", "kept"), [(0, b""), (3, b"one\n"), (8, b"one line\n")])
def test_after_a_line_that_was_cut_the_next_begins_on_a_line_of_its_own(room: int, kept: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, lost = Disk(room), threading.Semaphore(0)
    monkeypatch.setattr(logs, "os", SimpleNamespace(write=disk.write))
    writer = logs.LineWriter(1, lost.release)
    writer.setFormatter(logging.Formatter("%(message)s"))
    for text in ("one line", "a lost one"):
        writer.emit(logging.makeLogRecord({"msg": text}))
        assert lost.acquire(timeout=PATIENCE_SECONDS)
    disk.room = 100
    writer.emit(logging.makeLogRecord({"msg": "another line"}))
    for _ in patiently():
        if disk.taken.endswith(b"another line\n"):
            break
    writer.close()
    assert disk.taken == kept + b"another line\n"
