"""Whether an audit's `no_face` and `doubtful_face` are right, on a made set of faces and of pictures without one.

A table of docs/audit_measured.md is made by

    python -m benchmarks.audit_detector --workers 2

The pictures come with this repository, scikit-image and scikit-learn. The set is made anew each time and is always the same.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data
from sklearn.datasets import load_sample_image

from app.auditing.job import AskedAudit, begin
from app.auditing.local import make_locally
from app.detection.find import create_detector
from app.settings import Settings
from benchmarks.audit_findings import markdown
from model.auditing.parts import Audit
from model.findings.command import write_findings
from model.findings.issues import read_issues

Picture = NDArray[np.uint8]  # BGR (H, W, 3)

SAMPLES = Path("static/samples")
PORTRAITS = ("biden", "collins", "hopper", "obama-address", "obama-portrait")
WITHOUT_FACES = (
    "brick", "cat", "cell", "clock", "coffee", "coins", "grass", "gravel", "hubble_deep_field", "immunohistochemistry", "moon", "page",
    "retina", "rocket", "text",
)  # fmt: skip
TILES = 3  # a side, each picture in so many parts
LEAST_SIDE = 150  # pixels, above what the service takes for a data set's crop


@dataclass(frozen=True)
class Group:
    """Pictures of one kind: ``face`` says whether they show one, None where it is cut through."""

    title: str
    face: bool | None
    pictures: list[Picture]


def portraits() -> list[Picture]:
    """The repository's five portraits."""
    return [_decoded((SAMPLES / f"{name}.jpg").read_bytes()) for name in PORTRAITS]


def changed(portrait: Picture) -> Iterator[Picture]:
    """A portrait in eight ways that leave its face to be seen."""
    height, width = portrait.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 15, 1)
    yield portrait
    yield _colour(portrait[:, ::-1])
    yield _colour(cv2.resize(portrait, (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    yield _colour(255 * (portrait / 255) ** 2.5)
    yield _colour(cv2.GaussianBlur(portrait, (0, 0), 4))
    yield _decoded(cv2.imencode(".jpg", portrait, [cv2.IMWRITE_JPEG_QUALITY, 8])[1].tobytes())
    yield _colour(cv2.warpAffine(portrait, turn, (width, height), borderMode=cv2.BORDER_REPLICATE))
    yield _colour(cv2.copyMakeBorder(portrait, height, height, width, width, cv2.BORDER_REFLECT))


def cut_through(portrait: Picture) -> Iterator[Picture]:
    """What a crop that misses shows: the face cut through its middle, from each of the four sides."""
    (face,) = create_detector(None).detect(np.ascontiguousarray(portrait[:, :, ::-1]), 1)
    left, top, width, height = face.box
    x, y = int(left + width / 2), int(top + height / 2)
    for part in (portrait[:, :x], portrait[:, x:], portrait[:y], portrait[y:]):
        yield _colour(part)


def scenes() -> Iterator[Picture]:
    """Textures and objects, each whole and in tiles."""
    pictures = [getattr(data, name)() for name in WITHOUT_FACES]
    for picture in [*pictures, load_sample_image("flower.jpg")]:
        shown = _colour(picture[:, :, ::-1] if picture.ndim == 3 else picture)
        yield shown
        for rows in np.array_split(shown, TILES):
            for tile in np.array_split(rows, TILES, axis=1):
                yield _colour(tile)


def groups() -> list[Group]:
    """All the pictures."""
    lfw = [_colour(255 * patch) for patch in data.lfw_subset()]
    return [
        Group("five portraits, each in eight ways", True, [picture for portrait in portraits() for picture in changed(portrait)]),
        Group("faces of LFW, 25 x 25 pixels enlarged", True, lfw[:100]),
        Group("the portraits cut through the face", None, [picture for portrait in portraits() for picture in cut_through(portrait)]),
        Group("backgrounds of LFW, 25 x 25 pixels enlarged", False, lfw[100:]),
        Group("16 textures and objects, each whole and in nine tiles", False, list(scenes())),
    ]


def audited(made: list[Group], workers: int, folder: Path) -> Audit:
    """An audit with detector of all the pictures, its findings written."""
    (folder / "faces").mkdir(parents=True)
    for number, group in enumerate(made):
        for index, picture in enumerate(group.pictures):
            cv2.imwrite(str(folder / "faces" / f"{number}-{index:03d}.png"), picture)
    (folder / "audit").mkdir()
    audit = begin(AskedAudit(str(folder / "faces"), None, ("baseline",), folder / "audit", 32, "detect"), Settings())
    for _ in make_locally(audit.job, audit.missing, workers):
        pass
    write_findings(folder / "audit")
    return Audit(folder / "audit")


def report(made: list[Group], audit: Audit) -> str:
    """The table by group, and what it comes to."""
    table = audit.table(["id", "detection_score"])
    group_of = np.array([int(name.partition("-")[0]) for name in table.column("id").to_pylist()])
    scores = np.array([np.nan if score is None else score for score in table.column("detection_score").to_pylist()])
    listed = {kind: np.zeros(len(table), dtype=bool) for kind in ("no_face", "doubtful_face")}
    for issue in read_issues(audit.directory).to_pylist():
        if issue["kind"] in listed:
            listed[issue["kind"]][issue["row"]] = True
    rows = []
    for number, group in enumerate(made):
        here = group_of == number
        found = scores[here & ~np.isnan(scores)]
        middle = f"{np.median(found):.2f} ({found.min():.2f} to {found.max():.2f})" if found.size else ""
        rows.append([group.title, *(f"{count}" for count in (here.sum(), *(each[here].sum() for each in listed.values()))), middle])
    truth = np.array([group.face for group in made], dtype=object)[group_of]
    none, face = truth == False, truth == True  # noqa: E712 - None is neither
    right, wrong = (listed["no_face"] & none).sum(), (listed["no_face"] & face).sum()
    heads = ["pictures", "number", "listed as `no_face`", "listed as `doubtful_face`", "score where found: median (range)"]
    return f"""{markdown(heads, rows)}

no_face: precision {right / (right + wrong):.3f} ({right} of {right + wrong}), recall {right / none.sum():.3f} ({right} of {none.sum()})"""


def _decoded(content: bytes) -> Picture:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return _colour(picture)


def _colour(picture: NDArray[np.generic]) -> Picture:
    """As BGR bytes, enlarged to the least side."""
    shown = np.clip(picture, 0, 255).astype(np.uint8)
    coloured = shown if shown.ndim == 3 else cv2.cvtColor(shown, cv2.COLOR_GRAY2BGR)
    scale = max(1.0, LEAST_SIDE / min(coloured.shape[:2]))
    enlarged = coloured if scale == 1 else cv2.resize(coloured, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(enlarged, dtype=np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=1, help="processes [%(default)s]")
    arguments = parser.parse_args()
    made = groups()
    with tempfile.TemporaryDirectory() as folder:
        print(report(made, audited(made, arguments.workers, Path(folder))))


if __name__ == "__main__":
    main()
