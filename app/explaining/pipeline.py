"""From the bytes of a picture to its explained faces: decode, find faces, explain; every caller takes this one path."""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app import metrics
from app.choices import MAX_FACES, Gauge, MapMethod
from app.detection.find import FaceCrop, FaceDetector, FoundFaces, find_faces
from app.explaining.explainer import Explainer, Explanation, Landmarks
from app.explaining.maps import ExplainedFaces, FaceMaps
from app.explaining.other_maps import prepare
from app.logs import note

if TYPE_CHECKING:
    from app.decoding.decoder import DecodedImage

MAPS_SCALED = "maps_scaled_one_by_one"
SAME_NETWORK = "same_network"  # behind two of the names asked for


@dataclass(frozen=True)
class ExplainOptions:
    """What a request asks for; see the parameters of the REST API."""

    models: tuple[str, ...] = ("baseline", "ours")
    faces: int = MAX_FACES
    method: MapMethod = MapMethod.CAM
    crop: str = "detect"
    gauge: Gauge = Gauge.CENTRED


@dataclass(frozen=True)
class ExplainedPicture:
    """A picture's faces, largest first, and for each face its explanations by the names asked for."""

    width: int
    height: int
    found: FoundFaces
    explanations: tuple[dict[str, Explanation], ...]
    warnings: tuple[str, ...]
    options: ExplainOptions

    def as_faces(self, caption: str = "") -> ExplainedFaces:
        """What a figure or a file of maps needs; the pictures are the grey crops that the networks saw."""
        faces = tuple(
            FaceMaps(face.grey, tuple(explanation.maps for explanation in said.values()), caption)
            for face, said in zip(self.found.faces, self.explanations, strict=True)
        )
        return ExplainedFaces(faces, self.options.method, self.options.gauge)


def explain_image(image: DecodedImage, detector: FaceDetector, explainer: Explainer, options: ExplainOptions) -> ExplainedPicture:
    """Find and explain the faces of a decoded picture, in the calling thread.

    Raises:
        Problem: ``no_face``, ``invalid_parameter``, ``non_finite_output``.
    """
    with metrics.stage("detect"):
        found = find_faces(image, detector, explainer.geometry(options.models), options.crop, options.faces)
    metrics.FACES.observe(found.faces_found)
    note(faces=found.faces_found, width=image.width, height=image.height, models=len(options.models))
    explanations = explainer.explain(
        np.stack([face.grey for face in found.faces]),
        options.models,
        options.method,
        options.gauge,
        [_landmarks_in_crop(face) for face in found.faces],
    )
    scaled = () if options.method is MapMethod.CAM else (MAPS_SCALED,)
    distinct = {explainer.checkpoint(name).name for name in options.models}
    same = (SAME_NETWORK,) if len(distinct) < len(options.models) else ()
    warnings = (*image.warnings, *found.warnings, *scaled, *same)
    return ExplainedPicture(image.width, image.height, found, tuple(explanations), warnings, options)


async def explain_picture(state: Any, data: bytes, options: ExplainOptions) -> ExplainedPicture:
    """Decode a picture in a decoder process and explain it in a compute slot.

    Args:
        state: the application's, with ``decoder``, ``detector``, ``explainer`` and ``executor``.
        data: the file's bytes.

    Raises:
        Problem: whatever is wrong with the picture or the request, or with the service.
    """
    explainer: Explainer = state.explainer  # a reload during this request changes nothing for it
    for name in options.models:
        explainer.checkpoint(name)
    with metrics.stage("decode"):
        image = await state.decoder.decode(data)
    await asyncio.to_thread(prepare, options.method)
    context = contextvars.copy_context()  # so that times taken in the thread reach this request's log line
    picture: ExplainedPicture = await state.executor.run(lambda: context.run(explain_image, image, state.detector, explainer, options))
    return picture


def _landmarks_in_crop(face: FaceCrop) -> Landmarks | None:
    if face.landmarks is None:
        return None
    left, top, width, height = face.crop
    return {name: ((x - left) / width, (y - top) / height) for name, (x, y) in face.landmarks.items()}
