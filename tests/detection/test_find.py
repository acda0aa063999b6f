"""Finding faces: how many, where, and what is said where there is none."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.decoding.decoder import DecodedImage, DecodeLimits, decode_image
from app.detection.asked_crop import Box
from app.detection.detector import DetectedFace
from app.detection.find import LOW_RESOLUTION_FACE, TAKEN_WHOLE, create_detector, find_faces
from app.detection.mtcnn import MtcnnDetector
from app.detection.yunet import DetectorError, YuNetDetector
from app.errors import CannotStartError, Problem
from app.explaining.local_service import LocalService
from model.geometry import LANDMARKS, ferplus_geometry
from tests import pictures
from tests.pictures import UPLOADS, Upload, encoded, portrait

GEOMETRY = ferplus_geometry()
# read off the portrait by eye: pixels
EYES_AND_MOUTH = {"left_eye": (207, 104), "right_eye": (250, 104), "mouth_left": (205, 143), "mouth_right": (248, 143)}


@pytest.fixture(scope="module")
def mtcnn() -> MtcnnDetector:
    return MtcnnDetector()


def image_of(pixels: NDArray[np.uint8]) -> DecodedImage:
    return DecodedImage(np.ascontiguousarray(pixels), pixels.shape[1], pixels.shape[0])


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def mirrored(box: Box, width: int) -> Box:
    return width - box[0] - box[2], *box[1:]


class Detections:
    """A detector that finds what the test says."""

    calibrated = True

    def __init__(self, *boxes: Box) -> None:
        marks = dict.fromkeys(LANDMARKS, (0.0, 0.0))
        self.faces = [DetectedFace(box, 0.9, {**marks, "nose": (box[0], box[1])}) for box in boxes]

    def smallest_face(self, width: int, height: int) -> float:
        return max(width, height) / 32

    def detect(self, pixels: NDArray[np.uint8], faces: int = 8) -> list[DetectedFace]:
        return self.faces


@pytest.mark.parametrize("upload", [upload for upload in UPLOADS if upload.code is None], ids=lambda upload: upload.name)
def test_every_readable_upload_has_the_faces_it_should(upload: Upload, mtcnn: MtcnnDetector) -> None:
    image = decode_image(upload.build(), DecodeLimits())
    if upload.face == "none":
        with pytest.raises(Problem, match="no_face") as caught:
            find_faces(image, mtcnn, GEOMETRY)
        assert "the crop 'whole'" in caught.value.detail
        return
    if upload.face == "either" and not mtcnn.detect(image.pixels):
        return
    found = find_faces(image, mtcnn, GEOMETRY)
    assert upload.face != "one" or found.faces_found == 1
    assert found.faces[0].grey.shape == (48, 48)


def test_the_portrait_s_face_is_where_it_is(mtcnn: MtcnnDetector) -> None:
    (face,) = find_faces(image_of(np.asarray(portrait())), mtcnn, GEOMETRY).faces
    assert face.source == "detected"
    assert face.score is not None
    assert face.landmarks is not None
    assert 0.95 < face.score <= 1
    for name, point in EYES_AND_MOUTH.items():
        assert face.landmarks[name] == pytest.approx(point, abs=4)
        # and in the crop it lies about where training faces have it, in units of the crop's side
        for axis in (0, 1):
            assert (face.landmarks[name][axis] - face.crop[axis]) / face.crop[2] == pytest.approx(GEOMETRY.landmarks[name][axis], abs=0.12)


def test_the_largest_faces_have_been_measured_again(monkeypatch: pytest.MonkeyPatch, mtcnn: MtcnnDetector) -> None:
    """The two longest boxes are not the largest, and shrink when they are looked at again: so the third must be, too."""
    found = np.array([[0, 0, 60, 100, 0.99], [200, 0, 262, 99.9, 0.99], [400, 0, 490, 99, 0.99], [600, 0, 610, 10, 0.99]], np.float32)

    def settled(_detector: MtcnnDetector, _pyramid: object, boxes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        shrunk = boxes.copy()
        shrunk[:, 2:4] -= 0.2 * (boxes[:, 2:4] - boxes[:, :2])
        return shrunk, np.ones((len(boxes), 5, 2), np.float32)

    monkeypatch.setattr(MtcnnDetector, "_faces", lambda *_: (found.copy(), np.zeros((4, 5, 2), np.float32)))
    monkeypatch.setattr(MtcnnDetector, "_settled", settled)
    detected = mtcnn.detect(np.zeros((700, 700, 3), np.uint8), 1)
    largest = max(detected, key=lambda face: face.box[2] * face.box[3])
    assert largest.landmarks["nose"] == (1, 1)
    assert [face.box[2] for face in detected if face.landmarks["nose"] == (0, 0)] == [10]  # what cannot be among them is left


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7])
def test_the_mirrored_picture_has_the_mirrored_face(scale: float, mtcnn: MtcnnDetector) -> None:
    side = round(512 * scale)
    pixels = np.asarray(portrait().resize((side, side), Image.Resampling.BOX))
    (face,) = find_faces(image_of(pixels), mtcnn, GEOMETRY).faces
    (other,) = find_faces(image_of(pixels[:, ::-1]), mtcnn, GEOMETRY).faces
    assert overlap(face.box, mirrored(other.box, pixels.shape[1])) >= 0.9
    assert face.landmarks is not None
    assert other.landmarks is not None
    assert face.landmarks["nose"][0] == pytest.approx(pixels.shape[1] - other.landmarks["nose"][0], abs=0.03 * face.box[2])


def test_every_face_of_a_crowd_is_counted_once_and_the_largest_returned(mtcnn: MtcnnDetector) -> None:
    found = find_faces(decode_image(pictures.crowd(20, 10, 32), DecodeLimits()), mtcnn, GEOMETRY)
    assert found.faces_found == 200
    assert len(found.faces) == 8
    areas = [face.box[2] * face.box[3] for face in found.faces]
    assert areas == sorted(areas, reverse=True)


def test_faces_of_several_sizes_come_largest_first(mtcnn: MtcnnDetector) -> None:
    montage = np.full((400, 600, 3), 127, np.uint8)
    places = {(0, 0): 200, (300, 20): 120, (450, 250): 80}
    for (left, top), side in places.items():
        montage[top : top + side, left : left + side] = np.asarray(pictures.head(side))
    found = find_faces(image_of(montage), mtcnn, GEOMETRY)
    assert found.faces_found == 3
    for face, ((left, top), side) in zip(found.faces, places.items(), strict=True):
        assert left < face.box[0] + face.box[2] / 2 < left + side
        assert top < face.box[1] + face.box[3] / 2 < top + side


def two_heads(large: int, small: int) -> NDArray[np.uint8]:
    """A picture of 800 pixels with a large and a small head."""
    scene = np.full((800, 800, 3), 127, np.uint8)
    scene[100 : 100 + large, 20 : 20 + large] = np.asarray(pictures.head(large))
    scene[500 : 500 + small, 700 : 700 + small] = np.asarray(pictures.head(small))
    return scene


@pytest.mark.parametrize(("large", "small", "faces"), [(150, 60, 2), (600, 60, 1)])
def test_beside_a_face_others_of_less_than_a_quarter_of_its_side_are_background(
    large: int, small: int, faces: int, mtcnn: MtcnnDetector
) -> None:
    assert find_faces(image_of(two_heads(large, small)), mtcnn, GEOMETRY).faces_found == faces


def test_what_looks_like_a_face_beside_a_certain_one_is_none(mtcnn: MtcnnDetector) -> None:
    # at this size the emblem on the suit has a score of 0.93
    pixels = np.asarray(portrait().resize((1000, 1000), Image.Resampling.LANCZOS))
    (face,) = find_faces(image_of(pixels), mtcnn, GEOMETRY).faces
    assert face.score is not None
    assert face.score > 0.95


def test_the_smallest_face_looked_for_is_a_setting() -> None:
    pixels = two_heads(150, 60)[400:, 400:]  # the small one alone: 33 pixels of 400
    patient, hasty = create_detector(None), create_detector(None, smallest=0.25)
    assert find_faces(image_of(pixels), patient, GEOMETRY).faces_found == 1
    with pytest.raises(Problem, match="no_face") as caught:
        find_faces(image_of(pixels), hasty, GEOMETRY)
    assert "at least 100 pixels" in caught.value.detail


def test_a_reduced_picture_s_faces_are_in_pixels_of_the_picture_itself(mtcnn: MtcnnDetector) -> None:
    small = find_faces(image_of(np.asarray(portrait())), mtcnn, GEOMETRY).faces[0]
    image = decode_image(encoded(portrait().resize((3584, 3584)), "JPEG", quality=90), DecodeLimits())
    assert image.pixels.shape[0] == 1792
    large = find_faces(image, mtcnn, GEOMETRY).faces[0]
    assert overlap(large.box, tuple(7 * value for value in small.box)) > 0.9  # type: ignore[arg-type]
    assert np.abs(large.grey.astype(int) - small.grey).mean() < 6
    assert np.array_equal(find_faces(image, mtcnn, GEOMETRY, crop=large.crop).faces[0].grey, large.grey)


def test_lossless_formats_give_the_same_crop(mtcnn: MtcnnDetector) -> None:
    webp = find_faces(decode_image(encoded(portrait(), "WEBP", lossless=True), DecodeLimits()), mtcnn, GEOMETRY)
    png = find_faces(decode_image(encoded(portrait(), "PNG"), DecodeLimits()), mtcnn, GEOMETRY)
    assert np.array_equal(webp.faces[0].grey, png.faces[0].grey)


def test_small_faces_carry_a_warning(mtcnn: MtcnnDetector) -> None:
    found = find_faces(decode_image(pictures.face_on_grey(12), DecodeLimits()), mtcnn, GEOMETRY)
    assert found.warnings == (LOW_RESOLUTION_FACE,)
    assert find_faces(decode_image(pictures.face_on_grey(40), DecodeLimits()), mtcnn, GEOMETRY).warnings == ()


@pytest.mark.parametrize(("side", "warnings"), [(60, (LOW_RESOLUTION_FACE,)), (100, ())])
def test_what_counts_of_a_small_face_are_the_pixels_that_decoding_left(side: int, warnings: tuple[str, ...]) -> None:
    image = DecodedImage(np.full((96, 128, 3), 90, np.uint8), 512, 384)
    assert find_faces(image, Detections(), GEOMETRY, (100, 100, side, side)).warnings == warnings


@pytest.mark.parametrize(("calibrated", "warnings"), [(True, ()), (False, ("uncalibrated_detector",))])
def test_faces_that_another_detector_framed_are_told(calibrated: bool, warnings: tuple[str, ...]) -> None:
    image = image_of(np.full((400, 400, 3), 90, np.uint8))
    detector = Detections((100, 100, 80, 80))
    detector.calibrated = calibrated
    assert find_faces(image, detector, GEOMETRY).warnings == warnings
    assert find_faces(image, detector, GEOMETRY, "whole").warnings == ()


@pytest.mark.parametrize(("width", "height", "taken"), [(48, 48, True), (96, 96, True), (96, 80, True), (97, 97, False), (96, 70, False)])
def test_only_small_squares_are_taken_whole_unasked(width: int, height: int, taken: bool) -> None:
    image = image_of(np.full((height, width, 3), 90, np.uint8))
    if not taken:
        with pytest.raises(Problem, match="no_face"):
            find_faces(image, Detections(), GEOMETRY)
        return
    found = find_faces(image, Detections(), GEOMETRY)
    assert found.warnings == (TAKEN_WHOLE,)
    assert found.faces[0].source == "whole"
    assert found.faces[0].score is None
    assert found.faces[0].landmarks is None


@pytest.mark.parametrize("shade", [0, 255])
def test_a_flat_picture_taken_whole_is_a_flat_crop(shade: int) -> None:
    found = find_faces(image_of(np.full((300, 400, 3), shade, np.uint8)), Detections(), GEOMETRY, crop="whole")
    assert (found.faces[0].grey == shade).all()
    assert found.faces[0].crop == (0, -50, 400, 400)
    assert found.faces[0].box == (0, 0, 400, 300)
    assert (found.faces_found, found.warnings) == (1, ())


def test_no_face_says_what_was_looked_for() -> None:
    with pytest.raises(Problem) as caught:
        find_faces(DecodedImage(np.zeros((1000, 1600, 3), np.uint8), 6400, 4000), Detections(), GEOMETRY)
    assert caught.value.code == "no_face"
    assert "at least 200 pixels" in caught.value.detail
    assert "6400 x 4000" in caught.value.detail


def test_boxes_are_clipped_and_faces_beside_the_picture_do_not_count() -> None:
    found = find_faces(image_of(np.zeros((100, 100, 3), np.uint8)), Detections((-20, 50, 60, 80), (120, 0, 30, 30)), GEOMETRY)
    assert found.faces_found == 1
    assert found.faces[0].box == (0, 50, 40, 50)
    assert found.faces[0].crop[2] == pytest.approx(70 / GEOMETRY.box_size)


def test_detections_are_scaled_to_the_picture() -> None:
    found = find_faces(DecodedImage(np.zeros((50, 100, 3), np.uint8), 400, 200), Detections((10, 10, 20, 20)), GEOMETRY)
    assert found.faces[0].box == (40, 40, 80, 80)
    assert found.faces[0].landmarks is not None
    assert found.faces[0].landmarks["nose"] == (40, 40)


def test_threads_may_share_a_detector(mtcnn: MtcnnDetector) -> None:
    sizes = [(400, 300), (512, 512), (200, 260), (640, 480)] * 3
    inputs = [np.asarray(portrait().resize(size)) for size in sizes]
    alone = [mtcnn.detect(picture) for picture in inputs]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(mtcnn.detect, inputs)) == alone


class FakeYuNet:
    """Stands in for OpenCV's network: notes what it is given, and answers with one row of its documented order."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.answer: Any = np.array([[10, 20, 30, 40, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0.7]], np.float32)

    def setInputSize(self, size: tuple[int, int]) -> None:  # noqa: N802 - OpenCV's name
        self.sizes.append(size)

    def detect(self, picture: NDArray[np.uint8]) -> tuple[int, Any]:
        if not picture.any():  # tried on nothing when it is loaded
            return 1, None
        assert picture[0, 0].tolist() == [3, 2, 1]  # blue first
        return 1, self.answer


def test_yunet_is_used_where_a_file_is_named_and_says_that_the_crop_is_not_calibrated_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    network = FakeYuNet()
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *arguments: network)
    (tmp_path / "yunet.onnx").touch()
    detector = create_detector(tmp_path / "yunet.onnx")
    assert isinstance(detector, YuNetDetector)
    (said,) = caplog.messages
    assert "not calibrated" in said
    network.sizes.clear()
    (face,) = detector.detect(np.full((960, 1280, 3), (1, 2, 3), np.uint8))
    assert network.sizes == [(640, 480)]
    assert face.box == (20, 40, 60, 80)
    assert face.score == pytest.approx(0.7)
    assert face.landmarks == {"left_eye": (2, 4), "right_eye": (6, 8), "nose": (10, 12), "mouth_left": (14, 16), "mouth_right": (18, 20)}
    network.answer = None
    assert detector.detect(np.full((10, 10, 3), (1, 2, 3), np.uint8)) == []


def one_layer_network(path: Path) -> None:
    """A network in ONNX that is not YuNet."""
    tensors = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 640, 640]) for name in ("input", "output")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["input"], ["output"])], "other", tensors[:1], tensors[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)]), path)


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: None, "cannot be read (No such file or directory)"),
        (os.mkfifo, "cannot be read (it is no regular file)"),
        (Path.mkdir, "cannot be read (Is a directory)"),
        (lambda path: path.write_bytes(b"not a model"), "is not a YuNet model in ONNX"),
        (one_layer_network, "is not a YuNet model in ONNX"),
    ],
    ids=["missing", "pipe", "folder", "junk", "another network"],
)
def test_a_file_that_is_no_yunet_model_is_refused_by_setting_and_name(tmp_path: Path, write: Callable[[Path], object], reason: str) -> None:
    path = tmp_path / "other.onnx"
    write(path)
    with pytest.raises(DetectorError) as refused:
        create_detector(path)
    assert str(refused.value) == f"UNTURNED_YUNET_PATH: {path} {reason}"


def test_a_command_says_which_detector_it_cannot_start_with(
    tmp_path: Path, random_checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(b"not a model")
    monkeypatch.setenv("UNTURNED_YUNET_PATH", str(path))
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))
    with pytest.raises(CannotStartError) as refused, LocalService():
        pass
    assert str(refused.value) == f"UNTURNED_YUNET_PATH: {path} is not a YuNet model in ONNX"


def test_mtcnn_is_the_default() -> None:
    assert isinstance(create_detector(None), MtcnnDetector)
