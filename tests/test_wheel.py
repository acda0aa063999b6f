"""What a wheel holds, without building one: every file that the repository tracks in the folders that serve, and no other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parent.parent
CODE = ("app", "model")
SHIPPED = ("checkpoints", "static", "templates")


@pytest.fixture(scope="module")
def packed() -> set[str]:
    """The paths in the wheel."""
    return {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}


def tracked(*folders: str) -> set[str]:
    """The files of folders that are in the index and still there."""
    listing = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {name for name in listing.split("\0") if name and (ROOT / name).is_file()}


def test_it_holds_the_tracked_files_and_no_other(packed: set[str]) -> None:
    code = {name.removeprefix("app/library/") for name in tracked(*CODE)}  # the one module outside the packages
    assert packed == code | {f"app/shipped/{name}" for name in tracked(*SHIPPED)}


def test_it_holds_no_picture_of_a_data_set_and_no_test(packed: set[str]) -> None:
    assert {name.split("/")[0] for name in packed} == {*CODE, "unturned.py"}
    assert [name for name in packed if name.endswith((".zip", ".csv", ".pyc"))] == []
