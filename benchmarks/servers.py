"""Real server processes for the benchmarks: ours and its peers, each on a free port of this machine."""

from __future__ import annotations

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


def free_port() -> int:
    """A port of the loopback address that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_server(name: str) -> Iterator[int]:
    """A server of :data:`COMMANDS` in a process of its own, ready to answer; yields its port, ends it afterwards."""
    port = free_port()
    environment = os.environ | {"UNTURNED_PORT": str(port), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        COMMANDS[name], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}{READY_PATHS[name]}")
        yield port
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers that outlive their server would spoil what is measured next


def _wait_until_ready(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode} before it was ready")
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"the server was not ready within {START_LIMIT_SECONDS} seconds")
