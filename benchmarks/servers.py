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
from dataclasses import dataclass
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


def server_packages() -> list[str]:
    """The packages that the installed servers are made of."""
    ours = ["fastapi", "uvicorn", "h11", "onnxruntime", "opencv-python-headless", "pillow", "numpy"]
    return [*ours, "litserve"] if "LitServe" in installed_servers() else ours


@dataclass(frozen=True)
class Server:
    """A server of :data:`COMMANDS` in a process of its own, listening on ``port`` of this machine, now or soon."""

    process: subprocess.Popen[bytes]
    port: int

    def wait_for_answer(self, path: str, pause_seconds: float = 0.2) -> None:
        """Return once a GET of ``path`` is answered with 200.

        Raises:
            RuntimeError: the process ended, or :data:`START_LIMIT_SECONDS` have passed.
        """
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with status {self.process.returncode} before it was ready")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(pause_seconds)
        raise RuntimeError(f"the server was not ready within {START_LIMIT_SECONDS} seconds")

    def resident_megabytes(self) -> float:
        """Resident memory of the server's process and of all that it started: which of them listens does not matter."""
        return sum(_resident(process) for process in process_tree(self.process.pid))


@contextmanager
def launched_server(name: str, core: int | None = None) -> Iterator[Server]:
    """A server of :data:`COMMANDS`, just started with the settings it has by default, whatever this environment sets; ends it afterwards.

    With a ``core``, it and its children run there alone.
    """
    port = free_port()
    environment = {variable: value for variable, value in os.environ.items() if not variable.startswith("UNTURNED_")}
    environment |= {"UNTURNED_PORT": str(port), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*on_core(core), *COMMANDS[name]],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Server(process, port)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers that outlive their server would spoil what is measured next


@contextmanager
def running_server(name: str, core: int | None = None) -> Iterator[Server]:
    """As :func:`launched_server`, but ready to answer."""
    with launched_server(name, core) as server:
        server.wait_for_answer(READY_PATHS[name])
        yield server


def process_tree(process: int) -> list[int]:
    """A process, its children, theirs and so on."""
    children = [int(text) for path in Path(f"/proc/{process}/task").glob("*/children") for text in path.read_text().split()]
    return [process, *(descendant for child in children for descendant in process_tree(child))]


def _resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 1e6
