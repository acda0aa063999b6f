"""JSON log lines with nothing of the person in them, written so that a blocked or full output never delays a request."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_QUEUED_LINES = 1000
# What the text of other packages' messages holds is not known, so it is left out.
_OUR_LOGGERS = ("app", "model", "uvicorn")

_fields: ContextVar[dict[str, Any] | None] = ContextVar("request_log_fields", default=None)


def begin_request() -> dict[str, Any]:
    """Start collecting the fields of one request's log line; returns them."""
    fields: dict[str, Any] = {}
    _fields.set(fields)
    return fields


def note(**fields: float | str | list[str]) -> None:
    """Add to the current request's log line: sizes, counts and our own names, never anything a client chose."""
    current = _fields.get()
    if current is not None:
        current.update(fields)


def note_stage(name: str, seconds: float) -> None:
    """Add to a step's time in the current request's log line."""
    current = _fields.get()
    if current is not None:
        stages = current.setdefault("stage_ms", {})
        stages[name] = round(stages.get(name, 0.0) + seconds * 1e3, 2)


class JsonLines(logging.Formatter):
    """One JSON object a record. Exceptions are told by type and place, without their message, which may quote the request."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of ASCII JSON."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        known = record.name.partition(".")[0] in _OUR_LOGGERS
        line["event"] = record.getMessage().strip() if known else f"message of {record.name}"
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["exception"] = type(error).__name__
            frames = traceback.extract_tb(error.__traceback__)
            line["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line)


class LineWriter(logging.Handler):
    """Hands lines to a thread that writes them to a file descriptor; drops and counts them when it cannot keep up.

    Args:
        descriptor: where to write, e.g. 1.
        on_drop: called once for each line lost.
    """

    def __init__(self, descriptor: int, on_drop: Callable[[], None]) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._on_drop = on_drop
        self._lines: queue.Queue[bytes | None] = queue.Queue(MAX_QUEUED_LINES)
        self._thread = threading.Thread(target=self._write_all, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record's line; never waits."""
        try:
            self._lines.put_nowait(self.format(record).encode() + b"\n")
        except queue.Full:
            self._on_drop()

    def close(self) -> None:
        """Write what is queued, for at most a second."""
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            pass
        else:
            self._thread.join(1.0)
        super().close()

    def _write_all(self) -> None:
        cut = False  # whether the output ends in a part of a line, as that of a full disk does
        while (line := self._lines.get()) is not None:
            left = b"\n" + line if cut else line
            try:
                while left:
                    written = os.write(self._descriptor, left)
                    cut = not left[:written].endswith(b"\n")
                    left = left[written:]
            except OSError:
                self._on_drop()


def configure_logging(descriptor: int, on_drop: Callable[[], None]) -> LineWriter:
    """Send every logger's records of level INFO and above (WARNING for other packages) to ``descriptor`` as JSON lines."""
    writer = LineWriter(descriptor, on_drop)
    writer.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [writer]
    root.setLevel(logging.WARNING)
    for name in ("app", "model"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # its warnings are of single requests, which have their own lines
    logging.captureWarnings(True)
    return writer
