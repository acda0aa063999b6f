"""A page's scripts, and its styles, as one file each, made of the files themselves when the service starts: nothing is to be built."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = ("explorer", "tray")
STYLES = {"explorer": ("base", "dialogs", "explorer", "hero", "grid"), "tray": ("base", "dialogs", "tray")}

_IMPORT = re.compile(r'import \{ (?P<names>\w+(, \w+)*) \} from "\./(?P<module>\w+)\.js";')
_EXPORT = re.compile(r"export (?P<declared>(async )?(function|const|class) (?P<name>\w+).*)")


def bundles(folder: Path) -> dict[str, bytes]:
    """The files to serve beside those of the folder of static files, by path."""
    scripts = {f"js/{name}.bundle.js": bundled_script(folder / "js", name) for name in SCRIPTS}
    return scripts | {f"css/{name}.bundle.css": _bundled_styles(folder / "css", parts) for name, parts in STYLES.items()}


def bundled_script(folder: Path, entry: str) -> bytes:
    """A module and all it imports, one way or another, as one module without imports.

    Each becomes a function that is called once, after those that it imports, and returns what the module exports: names in two modules do
    not meet.

    Args:
        folder: of the modules.
        entry: name of the first, without its ending.

    Raises:
        ValueError: modules import one another in a circle, or one imports or exports in a way that is not known here.
    """
    done: dict[str, str] = {}
    _wrap(folder, entry, done, ())
    return "".join(done.values()).encode()


def _wrap(folder: Path, module: str, done: dict[str, str], above: tuple[str, ...]) -> None:
    if module in above:
        raise ValueError(f"{module}.js imports itself, by way of {', '.join(above)}")
    if module in done:
        return
    lines, exported = [], []
    for line in (folder / f"{module}.js").read_text().splitlines():
        if imported := _IMPORT.fullmatch(line):
            _wrap(folder, imported["module"], done, (*above, module))
            lines.append(f"const {{ {imported['names']} }} = ${imported['module']};")
        elif declared := _EXPORT.fullmatch(line):
            exported.append(declared["name"])
            lines.append(declared["declared"])
        elif line.startswith(("import ", "export ")):
            raise ValueError(f"{module}.js: {line}")
        else:
            lines.append(line)
    body = "\n".join(lines)
    done[module] = f"const ${module} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


def _bundled_styles(folder: Path, parts: tuple[str, ...]) -> bytes:
    return b"\n".join((folder / f"{part}.css").read_bytes() for part in parts)
