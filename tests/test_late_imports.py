"""What the service imports when: it listens before PyTorch, OpenCV and Matplotlib are read, and no request waits for them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from app.main import AUDIT_MODULES, LATE_MODULES
from docs.draw_architecture import ROOT

LARGE = ("torch", "cv2", "matplotlib", "onnxruntime")
HANDLERS = (ROOT / "app" / "api", ROOT / "app" / "pages")


def test_the_service_listens_before_it_imports_what_is_large() -> None:
    program = f"import sys, app.cli, app.server\nprint(*({set(LARGE)} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == []


def test_what_handlers_import_was_imported_before_the_first_request() -> None:
    files = [file for folder in HANDLERS for file in sorted(folder.glob("*.py"))]
    late = {(str(file.relative_to(ROOT)), name) for file in files for name in _inside_functions(file)}
    assert {(file, name) for file, name in late if name not in LATE_MODULES + AUDIT_MODULES} == set()
    assert late


def test_every_late_module_is_one() -> None:
    assert [name for name in LATE_MODULES + AUDIT_MODULES if not (ROOT / f"{name.replace('.', '/')}.py").is_file()] == []


def _inside_functions(file: Path) -> Iterator[str]:
    """The modules that functions of a file import."""
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield node.module
