"""ONNX Runtime keeps to itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FIND_FACES = """
import time
import numpy as np
from app.detection.mtcnn import MtcnnDetector
MtcnnDetector().detect(np.zeros((64, 64, 3), np.uint8))
time.sleep(1)  # a telemetry client opens its files from a thread of its own
"""


def test_finding_faces_leaves_no_file_of_a_telemetry_client(tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(home), "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(home)}
    subprocess.run([sys.executable, "-c", FIND_FACES], cwd=ROOT, env=environment, check=True)
    assert not list(tmp_path.rglob("*.*"))


def test_only_one_module_imports_it() -> None:
    importing = re.compile(r"^\s*(import|from) onnxruntime\b", re.MULTILINE)
    files = [path for folder in ("app", "model", "benchmarks", "tests") for path in (ROOT / folder).rglob("*.py")]
    importers = [path.relative_to(ROOT).as_posix() for path in files if importing.search(path.read_text(encoding="utf-8"))]
    assert importers == ["model/onnx_session.py"]
