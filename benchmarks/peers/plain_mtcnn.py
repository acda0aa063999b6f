"""MTCNN with the package's own networks: on a copy of 640 pixels, every level of the pyramid, each made from the one before.

What the service's detector is measured against: its boxes are those that the crop was calibrated for.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from app.choices import MAX_FACES
from app.detection.detector import DetectedFace, detection_copy, smallest_face
from app.detection.mtcnn import (
    BATCH,
    CELL,
    OUTPUT_SCORE,
    PROPOSAL_SCORE,
    PYRAMID_STEP,
    REFINE_SCORE,
    SAME_FACE_OVERLAP,
    SAME_LEVEL_OVERLAP,
    SETTLED_PER_FACE,
    SETTLING_ROUNDS,
    SETTLING_SCALES,
    STRIDE,
    Boxes,
    Points,
    _distinct,
    _face,
    _moved,
    _sides,
    _squares,
    _suppress,
)
from benchmarks.convert_mtcnn import package_folder
from model.onnx_session import InferenceSession, open_session


class PlainMtcnn:
    """A :class:`FaceDetector`."""

    calibrated = True

    def __init__(self) -> None:
        folder = package_folder()
        self._proposal, self._refine, self._output = (open_session(folder / f"{name}.onnx") for name in ("pnet", "rnet", "onet"))

    def smallest_face(self, width: int, height: int) -> float:
        """See :class:`FaceDetector`."""
        return smallest_face(width, height)

    def detect(self, pixels: NDArray[np.uint8], faces: int = MAX_FACES) -> list[DetectedFace]:
        """See :class:`FaceDetector`."""
        copy = detection_copy(pixels)
        boxes, points = self._cascade(copy, faces)
        x, y = pixels.shape[1] / copy.shape[1], pixels.shape[0] / copy.shape[0]
        return [_face(box, face).scaled(x, y) for box, face in zip(boxes.tolist(), points.tolist(), strict=True)]

    def _cascade(self, picture: NDArray[np.uint8], faces: int) -> tuple[Boxes, Points]:
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
        largest = np.argsort(-_sides(boxes)[:, 0], kind="stable")[: SETTLED_PER_FACE * faces]
        for _ in range(SETTLING_ROUNDS if len(boxes) else 0):
            boxes[largest], points[largest] = self._settled(picture, boxes[largest])
        return boxes, points

    def _settled(self, picture: NDArray[np.uint8], boxes: Boxes) -> tuple[Boxes, Points]:
        """Boxes and landmarks measured again on the boxes' squares, at three scales and mirrored, and averaged."""
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


def _regressed(boxes: Boxes, scores: NDArray[np.float32], offsets: NDArray[np.float32], threshold: float) -> Boxes:
    """The boxes above the threshold, with the network's scores and corrections."""
    sure = scores[:, 1] > threshold
    return _moved(np.concatenate([boxes[sure, :4], scores[sure, 1:]], axis=1), offsets[sure])
