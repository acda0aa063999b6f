"""A small data set of made pictures, two of them bad, and its audit made in this process: what every engine must give."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.auditing.auditor import Auditor, MadePart
from app.auditing.job import AskedAudit, BegunAudit, begin
from app.auditing.local import make_locally
from app.settings import Settings
from model.auditing.sources import open_source

PICTURES, SHARD_ROWS = 12, 2
BAD, CUT = 3, 8  # numbers of the pictures that cannot be read


def write_data_set(path: Path, pictures: int = PICTURES) -> None:
    """Made pictures of 48x48 pixels as a zip."""
    generator = np.random.default_rng(1)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(pictures):
            blobs = cv2.resize(generator.integers(0, 256, (6, 6), np.uint8), (48, 48), interpolation=cv2.INTER_CUBIC)
            data = cv2.imencode(".png", blobs)[1].tobytes()
            archive.writestr(f"{number:03d}.png", {BAD: b"no picture", CUT: data[:400]}.get(number, data))


def begun(source: Path | str, out: Path, checkpoints: Path, **asked: Any) -> BegunAudit:
    """An audit of random checkpoints, begun in a folder."""
    out.mkdir(exist_ok=True)
    defaults: dict[str, Any] = {"labels": None, "models": ("baseline", "ours"), "shard_rows": SHARD_ROWS, "crop": "whole"}
    return begin(AskedAudit(str(source), directory=out, **(defaults | asked)), Settings(checkpoint_dir=checkpoints))


def make_here(audit: BegunAudit, numbers: Sequence[int] | None = None) -> list[MadePart]:
    """Make parts in this process, by default all that are missing."""
    with closing(Auditor(audit.job)) as auditor:
        return [auditor.make(number) for number in (audit.missing if numbers is None else numbers)]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of an audit."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def check_read_alike(here: str, there: str) -> None:
    """What stands at both addresses is listed in the same order, listed again alike, and read with the same bytes."""
    near, far = open_source(here), open_source(there)
    listed = list(far.pictures())
    assert [picture.id for picture in listed] == [picture.id for picture in near.pictures()]
    assert list(open_source(there).pictures()) == listed  # as who goes on lists it again
    assert [far.read(picture.place) for picture in listed] == [near.read(picture.place) for picture in near.pictures()]


def check_audited_alike(here: Path, there: str, out: Path, checkpoints: Path) -> None:
    """An audit of the one has the bytes of an audit of the other, but for the manifest, which names the source."""
    make_here(begun(here, out / "here", checkpoints))
    audit = begun(there, out / "there", checkpoints)
    for _ in make_locally(audit.job, audit.missing, workers=1):
        pass
    near, far = contents(out / "here"), contents(out / "there")
    assert near.pop("manifest.json") != far.pop("manifest.json")
    assert far == near
