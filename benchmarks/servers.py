"""Real server processes for the benchmarks: ours and its peers, each on a free port of this machine."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
START_LIMIT_SECONDS = 90

COMMANDS = {
    "unturned": [sys.executable, "-m", "app.cli", "serve"],
    "naive async FastAPI": [sys.executable, "-m", "benchmarks.peers.naive_fastapi"],
    "LitServe": [sys.executable, "-m", "benchmarks.peers.litserve_server"],
}
READY_PATHS = {"unturned": "/health/ready", "naive async FastAPI": "/health", "LitServe": "/health"}
LIVE_PATHS = {"unturned": "/health/live", "naive async FastAPI": "/health", "LitServe": "/health"}


def installed_servers() -> list[str]:
    """The servers of :data:`COMMANDS` that can be started here: LitServe comes with the extra ``peers``."""
    return [name for name in COMMANDS if name != "LitServe" or importlib.util.find_spec("litserve")]


def free_port() -> int:
    """A port of the loopback address that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def on_core(core: int | None) -> list[str]:
    """What to put before a command that shall run on one core alone, of which taskset has the same numbers."""
    return [] if core is None else ["taskset", "--cpu-list", str(core)]


@contextmanager
def launched_server(name: str, core: int | None = None) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server of :data:`COMMANDS` in a process of its own, just started; yields process and port, ends it afterwards.

    With a ``core``, it and its children run there alone.
    """
    port = free_port()
    environment = os.environ | {"UNTURNED_PORT": str(port), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*on_core(core), *COMMANDS[name]],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process, port
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers that outlive their server would spoil what is measured next


@contextmanager
def running_server(name: str, core: int | None = None) -> Iterator[int]:
    """As :func:`launched_server`, but ready to answer; yields its port."""
    with launched_server(name, core) as (process, port):
        wait_for_answer(process, port, READY_PATHS[name])
        yield port


def wait_for_answer(process: subprocess.Popen[bytes], port: int, path: str, pause_seconds: float = 0.2) -> None:
    """Return once a GET of ``path`` is answered with 200.

    Raises:
        RuntimeError: the process ended, or :data:`START_LIMIT_SECONDS` have passed.
    """
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode} before it was ready")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(pause_seconds)
    raise RuntimeError(f"the server was not ready within {START_LIMIT_SECONDS} seconds")


def resident_megabytes(port: int) -> float:
    """Resident memory of the process that listens on a port, and of its children."""
    listening = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], check=True, capture_output=True, text=True).stdout
    owner = int(listening.split("pid=")[1].split(",")[0])
    return sum(_resident(process) for process in [owner, *_descendants(owner)])


def _descendants(process: int) -> list[int]:
    children = [int(text) for path in Path(f"/proc/{process}/task").glob("*/children") for text in path.read_text().split()]
    return children + [grandchild for child in children for grandchild in _descendants(child)]


def _resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 1e6
