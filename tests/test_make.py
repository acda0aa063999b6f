"""When make and .ci/install install, and into what; in place of Python and of the installation stand programs that only say they ran."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INSTALLATION = """#!/bin/sh
mkdir installing || exit 1
sleep 0.3  # another one would begin meanwhile
touch "$VENV/$1.stamp"
rmdir installing
"""
PYTHON = """#!/bin/sh
case "$2" in *pip*) exit 3 ;; esac  # it has none
[ "$1" = -c ] && exit 0
echo "$*"
exit 3
"""


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def commands(venv: Path, target: str) -> list[str]:
    """What make would run for a target."""
    made = subprocess.run(["make", "--dry-run", f"VENV={venv}", target], cwd=ROOT, check=True, capture_output=True, text=True)
    return made.stdout.splitlines()


@pytest.mark.parametrize("target", ["lock", "upgrade"])
def test_a_changed_project_file_is_locked_before_it_is_installed(target: str, tmp_path: Path) -> None:
    """What the lock lacks yet cannot be installed from it."""
    installs = ".ci/install test"
    assert installs in commands(tmp_path, target)
    program(tmp_path / "bin" / "uv", "")
    assert installs in commands(tmp_path, "licences")
    assert installs not in commands(tmp_path, target)


def test_two_installations_into_one_environment_never_run_beside_each_other(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    program(tmp_path / ".ci" / "install", INSTALLATION)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    (tmp_path / "venv").mkdir()
    command = ["make", "--jobs=2", "VENV=venv", "venv/serve.stamp", "venv/test.stamp"]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # not a part of the make that runs the tests
    made = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)
    assert (made.returncode, made.stderr) == (0, "")


def installing(venv: Path, python: Path) -> tuple[int, str]:
    """Exit status and output of an installation."""
    environment = os.environ | {"VENV": str(venv), "PYTHON": str(python)}
    ran = subprocess.run([ROOT / ".ci" / "install", "serve"], env=environment, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


def test_an_environment_that_was_broken_off_before_pip_is_made_again(tmp_path: Path) -> None:
    venv, python = tmp_path / "venv", program(tmp_path / "python", PYTHON)
    program(venv / "bin" / "python", PYTHON)
    assert installing(venv, python) == (3, f"-m venv {venv}\n")
    assert (venv / "bin" / "python").exists(), "a folder that is no environment is left as it is"


def test_an_environment_whose_python_is_gone_is_made_again(tmp_path: Path) -> None:
    """venv keeps links that are there, and those lead nowhere."""
    venv, python = tmp_path / "venv", program(tmp_path / "python", PYTHON)
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    for link in ("python", "python3"):
        (venv / "bin" / link).symlink_to(tmp_path / "removed")
    assert installing(venv, python) == (3, f"-m venv {venv}\n")
    assert list((venv / "bin").iterdir()) == []
