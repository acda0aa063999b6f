"""Writes requirements.lock: every package that pyproject.toml leads to, with its version and hashes, in three parts.

The first part is what serving needs, the second what the service can make use of besides, the third what training and tests add: one file
serves all installs, and no package has two versions.
Versions that still fit are kept; with --upgrade all become the newest that fit. Needs uv, an entry of the extra `test`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
# what each part begins with, and the extras that it and those before it lead to; the last is all
PARTS = {
    "# Serving: made by `make lock` from pyproject.toml, not by hand.\n": (),
    "# All that the service can make use of, in addition.\n": ("torch", "audit", "timm"),
    "# Training and tests, in addition.\n": ("train", "audit", "ray", "test"),
}


def blocks(requirements: str) -> dict[str, str]:
    """The text of each package in a requirements file, hashes and comments below it included, by the package's name."""
    entry = re.compile(r"^([a-z0-9][a-z0-9._-]*)==.*\n(?:[ \t].*\n)*", re.MULTILINE)
    return {found.group(1): found.group(0) for found in entry.finditer(requirements)}


def compile_requirements(output: Path, extras: tuple[str, ...], arguments: list[str]) -> dict[str, str]:
    """Resolves pyproject.toml for all platforms and Python versions it supports into `output`, whose present versions are preferred."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--fork-strategy", "fewest", "--generate-hashes", "--no-header", "--output-file", str(output)]
    command += [part for extra in extras for part in ("--extra", extra)]
    subprocess.run([*command, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    found = blocks(output.read_text(encoding="utf-8"))
    return {name: re.sub(r"\n +#   -c \S+", "", text) for name, text in found.items()}


def main() -> None:
    """Renews the lock file."""
    *smaller, (last, all_extras) = PARTS.items()
    locked: dict[str, str] = {}
    text = ""
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder, "everything.txt")
        if LOCK.exists():
            everything.write_bytes(LOCK.read_bytes())
        all_packages = compile_requirements(everything, all_extras, sys.argv[1:])
        for number, (heading, extras) in enumerate(smaller):
            part = compile_requirements(Path(folder, f"{number}.txt"), extras, ["--constraint", str(everything)])
            text += heading + "".join(entry for name, entry in part.items() if name not in locked)
            locked |= part
    text += last + "".join(entry for name, entry in all_packages.items() if name not in locked)
    LOCK.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
