"""The lock of a folder, between processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from model.files.folder_lock import FolderBusyError, folder_lock, is_locked
from tests.live_server import ROOT

HOLDER = """
import pathlib, sys
from model.files.folder_lock import folder_lock
with folder_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert not is_locked(folder)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdin is not None
    with holder.stdout, holder.stdin:
        assert holder.stdout.readline() == b"held\n"
        assert is_locked(folder)
        with pytest.raises(FolderBusyError, match="run: another process"), folder_lock(folder):
            pass
        holder.kill()
        holder.wait()
    assert not is_locked(folder)
    with folder_lock(folder, wait=True):
        assert is_locked(folder)
