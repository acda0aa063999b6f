"""Starts a service in a process of its own on loopback, and speaks to it over plain sockets."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 60.0  # for what must end; nothing is timed
BOUNDARY = "0a1b2c3d"
SLOW_SERVICE = str(ROOT / "tests" / "slow_service.py")


@dataclass
class Answer:
    """One HTTP answer as it came over the socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The problem's code, after checking that the answer has a problem's form."""
        if self.headers.get("content-type") != "application/problem+json":
            return None
        problem = self.json
        assert problem["status"] == self.status
        assert problem["type"] == f"/problems/{problem['code']}"
        assert problem["request_id"]
        assert self.headers["cache-control"] == "no-store"
        return str(problem["code"])


class Connection:
    """A socket to the service."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> Connection:
        self.socket.sendall(data)
        return self

    def answer(self) -> Answer:
        """Read one answer; EOFError where the connection ends instead."""
        line = self._file.readline()
        if not line:
            raise EOFError
        headers: dict[str, str] = {}
        while (header := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = self._file.read(int(headers.get("content-length", 0)))
        return Answer(int(line.split()[1]), headers, body)

    def ended(self) -> bool:
        """Wait until the other side closes; False where it sends something first."""
        try:
            return not self._file.read(1)
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class LiveServer:
    """A service process, killed at the end of its ``with`` block.

    Settings are given as keyword arguments; ``command`` is what to run, ``key`` what every request is sent with, ``cwd`` where it runs and
    ``packages`` where it finds the code.
    """

    def __init__(
        self,
        *command: str,
        stdin: Any = None,
        stdout: Any = subprocess.PIPE,
        key: str = "",
        cwd: Path = ROOT,
        packages: Path = ROOT,
        **settings: object,
    ) -> None:
        self._key = {"authorization": f"Bearer {key}"} if key else {}
        settings = settings | ({"api_key": key} if key else {})
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UNTURNED_")}
        environment |= {f"UNTURNED_{name.upper()}": str(value) for name, value in ({"port": 0} | settings).items()}
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(packages)}
        self.lines: list[dict[str, Any]] = []
        self._port: int | None = int(str(settings["port"])) if settings.get("port") else None
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", *command],
            cwd=cwd,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        if stdout == subprocess.PIPE:
            self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                if self._reader.is_alive():
                    self._reader.join(PATIENCE_SECONDS)
                stream.close()

    def _read_log(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    @property
    def port(self) -> int:
        """The port listened on; waits for it."""
        if self._port is None:
            self._port = int(self.wait_for_line(event="listening")["port"])
        return self._port

    def wait_for_line(self, **fields: object) -> dict[str, Any]:
        """The first log line with these fields."""
        for _ in patiently():
            for line in self.lines:
                if fields.items() <= line.items():
                    return line
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
        raise AssertionError(f"no log line with {fields} in {self.lines[-5:]}")

    def log(self) -> list[dict[str, Any]]:
        """The log with all lines of what was answered so far: they come later than answers, so that of one more request is waited for."""
        answer = self.get("/health/live")
        self.wait_for_line(request_id=answer.headers["x-request-id"])
        return self.lines

    def wait_until_ready(self) -> LiveServer:
        for _ in patiently():
            try:
                if self.get("/health/ready").status == 200:
                    return self
            except ConnectionRefusedError:
                assert self.process.poll() is None
        raise AssertionError("never ready")

    def connect(self) -> Connection:
        return Connection(self.port)

    def send(self, data: bytes) -> Answer:
        """One request on a connection of its own."""
        connection = self.connect()
        try:
            return connection.send(data).answer()
        finally:
            connection.close()

    def get(self, target: str, **headers: str) -> Answer:
        return self.send(head("GET", target, **self._key | headers))

    def post(self, body: bytes, target: str = "/api/v1/explanations", **headers: str) -> Answer:
        return self.send(upload_request(body, target, **self._key | headers))

    def assert_serves(self, target: str = "/api/v1/explanations") -> None:
        """The next upload is answered, as soon as there is a place for it."""
        for _ in patiently():
            if self.post(GOOD_UPLOAD, target).status == 200:
                return
        raise AssertionError("the service no longer answers uploads")

    def metric(self, name: str) -> float:
        """One sample of the metrics, 0 where it has not been counted yet."""
        for line in self.get("/metrics").body.decode().splitlines():
            if line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        return 0.0

    def wait_for_metric(self, name: str, value: float) -> None:
        for _ in patiently():
            if self.metric(name) >= value:
                return
        raise AssertionError(f"{name} stays below {value}")

    def wait_for_computed(self, count: int) -> None:
        """Wait until the stand-in for the models has begun with so many pictures."""
        for _ in patiently():
            if self.get("/api/v1/counts").json["computed"] >= count:
                return
        raise AssertionError(f"never {count} computed")

    def resident_bytes(self) -> int:
        """Memory the process holds."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def descriptors(self) -> int:
        """Files and sockets the process has open."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    def decoders(self) -> set[int]:
        """Process numbers of its picture decoders."""
        command = ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return {int(line.split()[0]) for line in listed.splitlines() if "app.decoding.child" in line}

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_status(self) -> int:
        """Wait for the end."""
        return self.process.wait(PATIENCE_SECONDS)

    def stderr(self) -> str:
        assert self.process.stderr is not None
        return str(self.process.stderr.read())


def patiently() -> Any:
    """Ticks for as long as anything may take."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        yield
        time.sleep(0.05)


def stand_still(process: int) -> None:
    """Stop a process, and wait until it has: one that has yet to notice may still take what is then written to it."""
    os.kill(process, signal.SIGSTOP)
    for _ in patiently():
        if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return
    raise AssertionError("it goes on")


def wait_for_bytes(process: int) -> None:
    """Wait until something is in the pipe that is a process's standard input."""
    with Path(f"/proc/{process}/fd/0").open("rb", buffering=0) as pipe:
        for _ in patiently():
            if any(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))):
                return
    raise AssertionError("nothing comes")


def head(method: str, target: str, **headers: str) -> bytes:
    """A request's head; ``content_length="3"`` becomes ``content-length: 3``."""
    fields = {"host": "127.0.0.1"} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def upload_request(body: bytes, target: str = "/api/v1/explanations", **headers: str) -> bytes:
    fields = {"content_type": f"multipart/form-data; boundary={BOUNDARY}", "content_length": str(len(body))} | headers
    return head("POST", target, **fields) + body


def part(content: bytes, disposition: str = 'form-data; name="image"; filename="face.png"', *more_headers: bytes) -> bytes:
    lines = [
        f"--{BOUNDARY}".encode(),
        b"Content-Disposition: " + disposition.encode("utf-8", "surrogateescape"),
        *more_headers,
        b"",
        content,
    ]
    return b"\r\n".join(lines)


def form(*parts: bytes) -> bytes:
    return b"\r\n".join([*parts, f"--{BOUNDARY}--".encode(), b""])


def png(width: int = 48, height: int = 48) -> bytes:
    """A picture every decoder takes."""
    rows, columns = np.mgrid[:height, :width]
    buffer = io.BytesIO()
    Image.fromarray(((rows + columns) % 256).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


GOOD_UPLOAD = form(part(png()))
