"""Sends every file of a folder to a server and tells what became of them; every picture that was explained is compared with Pillow's.

A corpus may be anything: a decoder's test images, crash files of a fuzzer, a disk's contents. Only 200, 413, 415 and 422 are right; the
exit status is 1 where another came, where the server read a picture differently than Pillow does, or where it no longer answers.

    python -m benchmarks.replay_corpus FOLDER
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from tqdm import tqdm

from benchmarks.servers import Server, running_server
from benchmarks.soak import BOUNDARY, form

RIGHT = frozenset({200, 413, 415, 422})
PATH = "/api/v1/maps?crop=whole"  # answers with the picture that the networks saw
SETTLED_AFTER = 50  # files
ALLOWED_DIFFERENCE = 8.0  # mean of the 48 x 48 pixels, in grey levels: decoders round, and enlarge, a little differently
SIDE = 48
SRGB = ImageCms.createProfile("sRGB")


@dataclass
class Replay:
    """What was seen: answers by status and code, the slowest in seconds, how far pictures were from Pillow's, memory in MB."""

    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def note(self, name: str, data: bytes, status: int, content: bytes, seconds: float) -> None:
        """Count one answer and compare what it shows."""
        self.slowest = max(self.slowest, seconds)
        self.answers[f"{status}" if status == 200 else f"{status} {_code(content)}"] += 1
        if status not in RIGHT:
            self.wrong.append(f"{name}: status {status}")
        elif status == 200:
            self._compare(name, data, content)

    def _compare(self, name: str, data: bytes, content: bytes) -> None:
        with np.load(io.BytesIO(content)) as saved:
            served = saved["0/picture"]
        try:
            difference = difference_from_pillow(served, upright_grey(data))
        except (OSError, ValueError, SyntaxError) as error:
            self.wrong.append(f"{name}: Pillow does not read it ({type(error).__name__})")
            return
        self.differences.append(difference)
        if difference > ALLOWED_DIFFERENCE:
            self.wrong.append(f"{name}: {difference:.1f} grey levels from what Pillow reads")


def upright_grey(data: bytes) -> Image.Image:
    """Pillow's own reading: upright, in sRGB, on white, 8 bits, grey."""
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        profile = opened.info.get("icc_profile")
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.float64) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        visible = image.convert("RGBA")
        image = Image.new("RGB", image.size, (255, 255, 255))
        image.paste(visible, mask=visible)
    if profile:
        image = _in_srgb(image, profile)
    return image.convert("RGB").convert("L")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Converted as a damaged or foreign profile allows."""
    image = image if image.mode in {"L", "RGB", "CMYK"} else image.convert("RGB")
    try:
        return ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), SRGB, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


def difference_from_pillow(served: NDArray[np.uint8], grey: Image.Image) -> float:
    """Mean difference, in grey levels, of the part of a served 48 x 48 picture that shows the file, not its repeated border."""
    width, height = grey.size
    scale = max(width, height) / SIDE
    columns, rows = _inner(width, scale), _inner(height, scale)
    left, right = (edge * scale - (SIDE * scale - width) / 2 for edge in columns)
    top, bottom = (edge * scale - (SIDE * scale - height) / 2 for edge in rows)
    shape = rows[1] - rows[0], columns[1] - columns[0]
    if scale >= 1:
        values = np.asarray(grey, dtype=np.float64)
        seen = _area_means(_area_means(values, top, bottom, shape[0]).T, left, right, shape[1]).T
    else:
        seen = np.asarray(grey.resize(shape[::-1], Image.Resampling.BICUBIC, box=(left, top, right, bottom)), dtype=np.float64)
    part = served[rows[0] : rows[1], columns[0] : columns[1]].astype(np.float64)
    return float(np.abs(part - seen).mean())


def _area_means(values: NDArray[np.float64], start: float, end: float, cells: int) -> NDArray[np.float64]:
    """Means over equal parts of the rows from ``start`` to ``end``, from their running sum; Pillow's own filter only takes whole pixels."""
    sums = np.vstack([np.zeros_like(values[:1]), values.cumsum(axis=0)])
    edges = np.linspace(start, end, cells + 1)
    rows = np.minimum(edges.astype(int), len(values) - 1)
    totals: NDArray[np.float64] = sums[rows] + (edges - rows)[:, None] * values[rows]
    return np.diff(totals, axis=0) * (cells / (end - start))


def _inner(length: int, scale: float) -> tuple[int, int]:
    """First and end of the cells of an axis that lie wholly in the picture; one at least."""
    border = int(np.ceil((SIDE - length / scale) / 2))
    return (border, SIDE - border) if border < SIDE // 2 else (SIDE // 2 - 1, SIDE // 2)


def _code(content: bytes) -> str:
    try:
        return str(json.loads(content)["code"])
    except (ValueError, KeyError):
        return "without a problem's body"


def post(port: int, data: bytes) -> tuple[int, bytes]:
    """Status and body of one upload; 0 where the connection ended instead."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{PATH}", form(data), headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def replay(files: list[Path], server: Server) -> Replay:
    """Send the files, one after the other."""
    seen = Replay()
    for number, path in enumerate(tqdm(files, unit="file", mininterval=5)):
        data = path.read_bytes()
        start = time.perf_counter()
        status, content = post(server.port, data)
        seen.note(path.name, data, status, content, time.perf_counter() - start)
        if number >= SETTLED_AFTER:
            seen.memory.append(server.resident_megabytes())
    return seen


def report(seen: Replay, alive: bool) -> str:
    """The table for the documentation."""
    answers = ", ".join(f"{count} {answer}" for answer, count in seen.answers.most_common())
    growth = f"{seen.memory[-1] - seen.memory[0]:+.1f} MB" if seen.memory else "too few files"
    farthest = f"{max(seen.differences):.1f} grey levels" if seen.differences else "none"
    cells = {
        "files": seen.answers.total(),
        "answers": answers,
        "slowest": f"{seen.slowest:.1f} s",
        "compared with Pillow": len(seen.differences),
        "farthest from it": farthest,
        f"growth after {SETTLED_AFTER} files": growth,
        "alive": "yes" if alive else "NO",
    }
    rows = [list(cells), ["---"] * len(cells), [str(cell) for cell in cells.values()]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    """Replay and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="its files are sent, and those of the folders in it")
    folder = parser.parse_args().folder
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        parser.error(f"{folder} holds no file")
    with running_server("unturned") as server:
        seen = replay(files, server)
        alive = post(server.port, b"")[0] == 422
    print(report(seen, alive))
    for line in seen.wrong:
        print(line, file=sys.stderr)
    return 0 if alive and not seen.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
