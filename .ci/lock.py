"""Writes requirements.lock: every package that pyproject.toml leads to, with its version and hashes, in two parts.

The first part is what serving needs, the second what training and tests add: one file serves all installs, and no package has two versions.
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
EXTRAS = ("train", "audit", "ray", "test")
SERVING = "# Serving: made by `make lock` from pyproject.toml, not by hand.\n"
DEVELOPMENT = "# Training and tests, in addition.\n"


def blocks(requirements: str) -> dict[str, str]:
    """The text of each package in a requirements file, hashes and comments below it included, by the package's name."""
    entry = re.compile(r"^([a-z0-9][a-z0-9._-]*)==.*\n(?:[ \t].*\n)*", re.MULTILINE)
    return {found.group(1): found.group(0) for found in entry.finditer(requirements)}


def compile_requirements(output: Path, arguments: list[str]) -> dict[str, str]:
    """Resolves pyproject.toml for all platforms and Python versions it supports into `output`, whose present versions are preferred."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--fork-strategy", "fewest", "--generate-hashes", "--no-header", "--output-file", str(output), *arguments]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return blocks(output.read_text(encoding="utf-8"))


def main() -> None:
    """Renews the lock file."""
    with tempfile.TemporaryDirectory() as folder:
        everything, serving = Path(folder, "everything.txt"), Path(folder, "serving.txt")
        if LOCK.exists():
            everything.write_bytes(LOCK.read_bytes())
        all_packages = compile_requirements(everything, [*(part for extra in EXTRAS for part in ("--extra", extra)), *sys.argv[1:]])
        served = compile_requirements(serving, ["--constraint", str(everything)])
    served = {name: re.sub(r"\n +#   -c \S+", "", text) for name, text in served.items()}
    added = [text for name, text in all_packages.items() if name not in served]
    LOCK.write_text("".join([SERVING, *served.values(), DEVELOPMENT, *added]), encoding="utf-8")


if __name__ == "__main__":
    main()
