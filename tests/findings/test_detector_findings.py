"""What shows no face is listed, and portraits are not."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from benchmarks.audit_detector import Group, audited, portraits, scenes
from model.findings.issues import read_issues


def test_textures_are_listed_as_no_face_and_portraits_are_not(tmp_path: Path) -> None:
    made = [Group("portraits", True, portraits()), Group("a wall, whole and in tiles", False, list(islice(scenes(), 10)))]
    audit = audited(made, 1, tmp_path)
    listed = [issue["id"] for issue in read_issues(audit.directory).to_pylist() if issue["kind"] == "no_face"]
    assert sorted(listed) == [f"1-{index:03d}.png" for index in range(10)]
