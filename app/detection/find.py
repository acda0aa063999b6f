"""An upright picture -> the faces in it, each as the 48x48 crop a network sees."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.choices import MAX_FACES
from app.decoding.decoder import DecodedImage
from app.detection.asked_crop import Box, Crop
from app.detection.crop import calibrated_crop, check_given_crop, crop_colour, crop_face, scaled, square_around
from app.detection.detector import SMALLEST_FACE, DetectedFace, FaceDetector
from app.detection.mtcnn import MtcnnDetector
from app.detection.yunet import YuNetDetector
from app.errors import ErrorCode, Problem
from model.geometry import FaceGeometry, Point

logger = logging.getLogger("app.detection.find")

LOW_RESOLUTION_FACE = "low_resolution_face"
TAKEN_WHOLE = "taken_whole"
UNCALIBRATED_DETECTOR = "uncalibrated_detector"

LOW_RESOLUTION_PIXELS = 20  # mean side of a face's box below which its expression is guesswork
LARGEST_DATASET_CROP = 96  # pixels a side up to which a roughly square picture without a detection is taken to be a dataset's crop
ROUGHLY_SQUARE = 1.25

Source = Literal["detected", "whole", "given"]


@dataclass(frozen=True)
class FaceCrop:
    """A face ready for the networks.

    ``box`` (clipped to the picture), ``landmarks`` (by viewer's left and right) and ``crop``, the square that was cut out and may leave the
    picture, are in pixels of the upright picture; ``grey`` is ``(48, 48)`` uint8, ``cut(side)`` the crop in colour, RGB
    ``(side, side, 3)`` uint8. Only a detected face has a score and landmarks.
    """

    box: Box
    score: float | None
    landmarks: dict[str, Point] | None
    crop: Box
    source: Source
    grey: NDArray[np.uint8]
    cut: Callable[[int], NDArray[np.uint8]]

    @property
    def landmarks_in_crop(self) -> dict[str, Point] | None:
        """The landmarks in units of the crop's side, from its top left corner."""
        if self.landmarks is None:
            return None
        left, top, width, height = self.crop
        return {name: ((x - left) / width, (y - top) / height) for name, (x, y) in self.landmarks.items()}


@dataclass(frozen=True)
class FoundFaces:
    """The largest ``faces``, largest first; how many there were; codes of what the user should know (:data:`TAKEN_WHOLE`, ...)."""

    faces: tuple[FaceCrop, ...]
    faces_found: int
    warnings: tuple[str, ...]


def find_faces(
    image: DecodedImage, detector: FaceDetector, geometry: FaceGeometry, crop: Crop = "detect", limit: int = MAX_FACES
) -> FoundFaces:
    """The faces a request asks about.

    Args:
        image: an upright picture.
        detector: asked only where ``crop`` is ``detect``.
        geometry: where detected boxes belong in a crop.
        crop: ``detect``; ``whole``, the smallest square around the picture; or a box, made square likewise.
        limit: most faces returned.

    Raises:
        Problem: ``no_face``; ``invalid_parameter`` for an unusable ``crop``.
    """
    whole = (0.0, 0.0, float(image.width), float(image.height))
    if crop == "whole":
        return _as_told(image, whole, "whole")
    if crop != "detect":
        check_given_crop(crop, image.width, image.height)
        return _as_told(image, crop, "given")
    detected = _in_picture(detector.detect(image.pixels, limit), image)
    if detected:
        largest = sorted(detected, key=lambda face: face.box[2] * face.box[3], reverse=True)[:limit]
        faces = tuple(_cropped(image, face.box, calibrated_crop(face.box, geometry), "detected", face) for face in largest)
        uncalibrated = () if detector.calibrated else (UNCALIBRATED_DETECTOR,)
        return FoundFaces(faces, len(detected), (*uncalibrated, *_resolution_warning(faces, image)))
    if max(whole[2:]) <= LARGEST_DATASET_CROP and max(whole[2:]) <= ROUGHLY_SQUARE * min(whole[2:]):
        found = _as_told(image, whole, "whole")
        return FoundFaces(found.faces, found.faces_found, (TAKEN_WHOLE, *found.warnings))
    raise Problem(
        ErrorCode.NO_FACE,
        f"No upright face of at least {detector.smallest_face(image.width, image.height):.0f} pixels was found in the picture of "
        f"{image.width} x {image.height} pixels. If the whole picture is one face, ask for the crop 'whole'; the crop 'x,y,w,h' is a box.",
    )


def create_detector(yunet_path: Path | None, smallest: float = SMALLEST_FACE) -> FaceDetector:
    """YuNet where the user names a model file, else MTCNN for faces of at least ``smallest`` of a picture's long side."""
    if yunet_path is None:
        return MtcnnDetector(smallest)
    logger.warning("faces are framed by a detector that the crop is not calibrated for", extra={"fields": {"file": str(yunet_path)}})
    return YuNetDetector(yunet_path)


def _in_picture(faces: list[DetectedFace], image: DecodedImage) -> list[DetectedFace]:
    """The faces that are at least partly in the picture, in its pixels instead of the (perhaps reduced) ones the detector saw."""
    in_picture = [face.scaled(*image.reduction) for face in faces]
    return [face for face in in_picture if min(_clipped(face.box, image)[2:]) > 0]


def _as_told(image: DecodedImage, box: Box, source: Source) -> FoundFaces:
    faces = (_cropped(image, box, square_around(box), source, None),)
    return FoundFaces(faces, 1, _resolution_warning(faces, image))


def _cropped(image: DecodedImage, box: Box, crop: Box, source: Source, face: DetectedFace | None) -> FaceCrop:
    x, y = image.reduction
    square = scaled(crop, 1 / x, 1 / y)
    grey, cut = crop_face(image.pixels, square), partial(crop_colour, image.pixels, square)
    return FaceCrop(_clipped(box, image), face.score if face else None, face.landmarks if face else None, crop, source, grey, cut)


def _clipped(box: Box, image: DecodedImage) -> Box:
    left, top = max(box[0], 0.0), max(box[1], 0.0)
    right, bottom = min(box[0] + box[2], float(image.width)), min(box[1] + box[3], float(image.height))
    return left, top, max(0.0, right - left), max(0.0, bottom - top)


def _resolution_warning(faces: tuple[FaceCrop, ...], image: DecodedImage) -> tuple[str, ...]:
    """Whether the networks see too few pixels of a face: those that are left where a large picture was reduced."""
    x, y = image.reduction
    low = any((face.box[2] / x + face.box[3] / y) / 2 < LOW_RESOLUTION_PIXELS for face in faces)
    return (LOW_RESOLUTION_FACE,) if low else ()
