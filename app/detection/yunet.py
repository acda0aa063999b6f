"""The face detector for users who bring its weights."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.detection.detector import COPY_LONG_SIDE, DetectedFace, detection_copy
from model.geometry import LANDMARKS


class YuNetDetector:
    """OpenCV's YuNet (Wu et al., Machine Intelligence Research 20(5), 2023), with weights that the user brings.

    Its boxes are drawn by other rules than those the crop is calibrated on (MTCNN's), so crops are framed a little differently.

    Raises:
        cv2.error: the file is not a YuNet model.
    """

    SCORE = 0.6

    def __init__(self, path: Path) -> None:
        self._net = cv2.FaceDetectorYN.create(str(path), "", (COPY_LONG_SIDE, COPY_LONG_SIDE), self.SCORE)
        self._lock = threading.Lock()  # input size and network are the instance's

    def detect(self, pixels: NDArray[np.uint8]) -> list[DetectedFace]:
        """See :class:`FaceDetector`."""
        copy = detection_copy(pixels)
        height, width = copy.shape[:2]
        with self._lock:
            self._net.setInputSize((width, height))
            _, rows = self._net.detect(cv2.cvtColor(copy, cv2.COLOR_RGB2BGR))
        # a row: box, then the landmarks by the person's right and left, which is our order by the viewer's left and right; then the score
        faces = [] if rows is None else [[float(value) for value in row] for row in rows]
        return [
            DetectedFace(
                (row[0], row[1], row[2], row[3]), row[14], {name: (row[4 + 2 * i], row[5 + 2 * i]) for i, name in enumerate(LANDMARKS)}
            ).scaled(pixels.shape[1] / width, pixels.shape[0] / height)
            for row in faces
        ]
