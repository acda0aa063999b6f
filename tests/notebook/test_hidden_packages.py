"""``import unturned`` beside files of the user's that have the names of its own packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["app", "model"])
@pytest.mark.parametrize("form", ["{name}.py", "{name}/__init__.py"])
def test_a_file_that_hides_a_package_is_named(name: str, form: str, tmp_path: Path) -> None:
    """These are the commonest names of this field, and that of a Space's entry."""
    hiding = tmp_path / form.format(name=name)
    hiding.parent.mkdir(exist_ok=True)
    hiding.touch()
    script = tmp_path / "script.py"
    script.write_text("import unturned")
    ran = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith(f"ImportError: {hiding} hides unturned's own package {name!r}: give it another name")


def test_a_script_named_as_a_package_is_told_instead_of_run_twice(tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text("import unturned\nprint(unturned.load)")
    ran = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"ImportError: {script} hides unturned's own package 'app'" in ran.stderr and "circular" not in ran.stderr
