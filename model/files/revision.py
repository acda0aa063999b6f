"""Which code a figure was measured with."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def code_revision() -> str:
    """The git commit, with ``-dirty`` when files under ``model/`` differ from it; ``unknown`` outside one of this project."""
    if not (ROOT / ".git").exists():
        return "unknown"
    try:
        head = _git("rev-parse", "HEAD")
        return f"{head}-dirty" if _git("status", "--porcelain", "--", "model") else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def sources_digest() -> str:
    """sha256 over the program's own sources, which tells versions apart where there is no git, too."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in ("app", "model") for path in (ROOT / folder).rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - constant arguments
