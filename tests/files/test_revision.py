"""The commit that figures are said to be of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from model.files import revision


def test_a_checkout_is_told_by_its_commit() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=revision.ROOT, check=True, capture_output=True, text=True).stdout.strip()
    assert revision.code_revision().removesuffix("-dirty") == head


def test_an_installation_inside_another_repository_is_not_told_by_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision, "ROOT", Path(__file__).parent)
    assert revision.code_revision() == "unknown"


def test_any_change_of_the_code_is_told_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision, "ROOT", tmp_path)
    (tmp_path / "app" / "http").mkdir(parents=True)
    digests = {revision.sources_digest()}
    for name, content in (("app/http/a.py", "1"), ("app/http/a.py", "2"), ("app/http/b.py", "2")):
        (tmp_path / name).write_text(content)
        digests.add(revision.sources_digest())
    (tmp_path / "app/http/a.py").rename(tmp_path / "app/http/c.py")
    assert len(digests | {revision.sources_digest()}) == 5
