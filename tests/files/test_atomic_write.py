"""Files that are either as they were or complete, and the folders they need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.errors import FileError
from model.files.atomic_write import make_room, replace_file

ROOT = Path(__file__).parents[2]


def test_a_file_that_cannot_be_written_is_named_itself(tmp_path: Path) -> None:
    target = tmp_path / "absent" / "figures.json"
    with pytest.raises(FileError) as caught:
        replace_file(target, b"x")
    assert str(caught.value) == f"{target}: No such file or directory"


def test_what_was_there_survives_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "figures.json"
    target.write_bytes(b"old")

    def full_disk(_path: Path, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(FileError, match="No space left"):
        replace_file(target, b"new")
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_room_is_made_before_the_work(tmp_path: Path) -> None:
    make_room(tmp_path / "new" / "folder" / "claims.json")
    assert (tmp_path / "new" / "folder").is_dir()


def test_a_folder_in_the_place_of_the_file_is_found_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="a file is needed here"):
        make_room(tmp_path)


def test_a_link_keeps_pointing_at_the_file_that_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere" / "figures.json", tmp_path / "link.json"
    link.symlink_to(target)
    make_room(link)
    for content in (b"first", b"second"):
        replace_file(link, content)
        assert link.is_symlink() and target.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == ["figures.json"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """As `/dev/stdout` and what a shell names in `>(command)` are."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    make_room(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    replace_file(pipe, b"figures")
    assert pipe.is_fifo() and os.read(reader, 100) == b"figures"
    os.close(reader)


def test_standard_output_that_goes_to_a_file_keeps_what_it_has(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"before ")
    program = "from pathlib import Path; from model.files.atomic_write import replace_file; replace_file(Path('/dev/stdout'), b'now')"
    with log.open("ab") as redirected:
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=redirected, check=True, timeout=60)
    assert log.read_bytes() == b"before now"
    assert list(tmp_path.iterdir()) == [log]


def test_a_device_that_takes_no_more_is_named() -> None:
    with pytest.raises(FileError, match=r"^/dev/full: No space left on device$"):
        replace_file(Path("/dev/full"), b"x")
