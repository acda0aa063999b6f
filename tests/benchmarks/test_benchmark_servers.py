"""A server that is measured: its settings are the defaults, its memory that of all its processes."""

from __future__ import annotations

import sys
import time

import pytest

from benchmarks import servers

ENVIRONMENT = "import os, sys; sys.exit(any(name.startswith('UNTURNED_') and name != 'UNTURNED_PORT' for name in os.environ))"
HELD_MEGABYTES = 200
SLEEP = f"import time; held = bytearray(b'1') * ({HELD_MEGABYTES} << 20); time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"


def test_no_setting_of_this_environment_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTURNED_API_KEY", "a-key-of-thirty-two-characters-000")
    monkeypatch.setitem(servers.COMMANDS, "unturned", [sys.executable, "-c", ENVIRONMENT])
    with servers.launched_server("unturned") as server:
        assert server.process.wait(60) == 0


def test_its_memory_is_that_of_what_it_started_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(servers.COMMANDS, "unturned", [sys.executable, "-c", PARENT])
    with servers.launched_server("unturned") as server:
        for _ in range(600):
            if server.resident_megabytes() > HELD_MEGABYTES:
                break
            time.sleep(0.1)
        assert len(servers.process_tree(server.process.pid)) == 2
        assert server.resident_megabytes() > HELD_MEGABYTES
