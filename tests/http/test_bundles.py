"""Scripts as one file: what runs, in which order, and what cannot be bundled."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from app.http.bundles import SCRIPTS, bundled_script
from app.pages.templating import STATIC


def write(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def test_a_bundle_does_what_its_modules_do(tmp_path: Path) -> None:
    """Names that two modules have of their own do not meet, and one that two modules import runs once."""
    if shutil.which("node") is None:
        pytest.skip("no Node here")
    base = 'console.log("base");\nconst own = 1;\nexport const number = own + 1;\nexport async function later() {\n  return own;\n}'
    left = 'import { number } from "./base.js";\nconst own = 10;\nexport class Left {\n  sum = own + number;\n}'
    right = 'import { later, number } from "./base.js";\nexport function right() {\n  return later().then((one) => one + number);\n}'
    uses = 'import { Left } from "./left.js";\nimport { right } from "./right.js";\n'
    write(tmp_path, base=base, left=left, right=right, main=f"{uses}console.log(new Left().sum);\nright().then(console.log);")
    (tmp_path / "bundle.mjs").write_bytes(bundled_script(tmp_path, "main"))
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for script in ("main.js", "bundle.mjs"):
        printed = subprocess.run(["node", str(tmp_path / script)], capture_output=True, text=True, check=True).stdout
        assert printed == "base\n12\n3\n", script


NOT_KNOWN = (
    'import * as all from "./base.js";',
    'import { a as b } from "./base.js";',
    "export default 1;",
    'export { a } from "./base.js";',
)


@pytest.mark.parametrize("line", NOT_KNOWN)
def test_what_is_not_known_is_refused(tmp_path: Path, line: str) -> None:
    write(tmp_path, base="export const a = 1;", main=line)
    with pytest.raises(ValueError, match=r"main\.js: "):
        bundled_script(tmp_path, "main")


def test_a_circle_is_refused(tmp_path: Path) -> None:
    write(tmp_path, one='import { b } from "./two.js";\nexport const a = 1;', two='import { a } from "./one.js";\nexport const b = 1;')
    with pytest.raises(ValueError, match="imports itself"):
        bundled_script(tmp_path, "one")


@pytest.mark.parametrize("script", SCRIPTS)
def test_nothing_is_left_to_ask_for(script: str) -> None:
    lines = bundled_script(STATIC / "js", script).decode().splitlines()
    assert not any(line.startswith(("import ", "export ")) for line in lines)
