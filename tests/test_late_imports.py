"""What the service imports when: it listens before PyTorch, OpenCV and Matplotlib are read, and no request waits for them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from app.main import AUDIT_MODULES, DRAWING_MODULES, LATE_MODULES
from docs.draw_architecture import ROOT

LARGE = ("torch", "cv2", "matplotlib", "onnxruntime")
HANDLERS = (ROOT / "app" / "api", ROOT / "app" / "pages")


def test_the_service_listens_before_it_imports_what_is_large() -> None:
    program = f"import sys, app.cli, app.server\nprint(*({set(LARGE)} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == []


def test_what_only_figures_need_is_not_imported_before_uploads_are_answered() -> None:
    program = "import sys; from app.main import *; import_modules(LATE_MODULES); print('matplotlib.figure' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["False"]


def test_what_handlers_import_was_imported_before_the_first_request() -> None:
    files = [file for folder in HANDLERS for file in sorted(folder.glob("*.py"))]
    late = {(str(file.relative_to(ROOT)), name) for file in files for name in _inside_functions(file)}
    assert {(file, name) for file, name in late if name not in LATE_MODULES + DRAWING_MODULES + AUDIT_MODULES} == set()
    assert late


def test_only_functions_for_the_drawer_import_what_figures_need() -> None:
    """A coroutine would wait for it on the event loop."""
    files = [file for folder in HANDLERS for file in sorted(folder.glob("*.py"))]
    coroutines = {(file.name, name) for file in files for name in _inside_coroutines(file)}
    assert {(file, name) for file, name in coroutines if name in DRAWING_MODULES} == set()
    assert coroutines


def test_every_late_module_is_one() -> None:
    modules = LATE_MODULES + DRAWING_MODULES + AUDIT_MODULES
    assert [name for name in modules if not (ROOT / f"{name.replace('.', '/')}.py").is_file()] == []


def _inside_functions(file: Path) -> Iterator[str]:
    """The modules that functions of a file import."""
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _imported(function)


def _inside_coroutines(file: Path) -> Iterator[str]:
    """The modules that coroutines of a file import, not counting functions inside them."""
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(function, ast.AsyncFunctionDef):
            for statement in function.body:
                if not isinstance(statement, ast.FunctionDef):
                    yield from _imported(statement)


def _imported(part: ast.AST) -> Iterator[str]:
    for node in ast.walk(part):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
