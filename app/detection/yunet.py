"""The face detector for users who bring its weights."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.choices import MAX_FACES
from app.detection.detector import COPY_LONG_SIDE, DetectedFace, detection_copy, smallest_face
from model.errors import InputError
from model.files.regular_file import read_regular_file
from model.geometry import LANDMARKS


class DetectorError(InputError):
    """The file of a detector cannot be used; the message is one line that names the setting and the file."""


class YuNetDetector:
    """OpenCV's YuNet (Wu et al., Machine Intelligence Research 20(5), 2023), with weights that the user brings.

    Its boxes are drawn by other rules than those the crop is calibrated on (MTCNN's), so crops are framed a little differently; answers
    warn of it.

    Raises:
        DetectorError: the file is missing or not a YuNet model.
    """

    calibrated = False
    SCORE = 0.6

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()  # input size and network are the instance's
        try:
            model = np.frombuffer(read_regular_file(path), np.uint8)
            self._net = cv2.FaceDetectorYN.create("onnx", model, np.empty(0, np.uint8), (COPY_LONG_SIDE, COPY_LONG_SIDE), self.SCORE)
            self.detect(np.zeros((COPY_LONG_SIDE, COPY_LONG_SIDE, 3), np.uint8))  # any other network is found out by its output
        except OSError as error:
            raise DetectorError(f"UNTURNED_YUNET_PATH: {path} cannot be read ({error.strerror})") from error
        except cv2.error as error:
            raise DetectorError(f"UNTURNED_YUNET_PATH: {path} is not a YuNet model in ONNX") from error

    def smallest_face(self, width: int, height: int) -> float:
        """See :class:`FaceDetector`."""
        return smallest_face(width, height)

    def detect(self, pixels: NDArray[np.uint8], faces: int = MAX_FACES) -> list[DetectedFace]:
        """See :class:`FaceDetector`."""
        copy = detection_copy(pixels)
        height, width = copy.shape[:2]
        with self._lock:
            self._net.setInputSize((width, height))
            _, rows = self._net.detect(cv2.cvtColor(copy, cv2.COLOR_RGB2BGR))
        # a row: box, then the landmarks by the person's right and left, which is our order by the viewer's left and right; then the score
        found = [] if rows is None else [[float(value) for value in row] for row in rows]
        return [
            DetectedFace(
                (row[0], row[1], row[2], row[3]), row[14], {name: (row[4 + 2 * i], row[5 + 2 * i]) for i, name in enumerate(LANDMARKS)}
            ).scaled(pixels.shape[1] / width, pixels.shape[0] / height)
            for row in found
        ]
