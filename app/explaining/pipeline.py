"""From the bytes of a picture to its explained faces: decode, find faces, explain; every caller takes this one path."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from app import metrics
from app.choices import MapMethod
from app.decoding.decoder import DecodedImage, Decoder
from app.detection.detector import FaceDetector
from app.detection.find import FoundFaces, find_faces
from app.errors import ErrorCode, Problem
from app.explaining.compute import ComputePool
from app.explaining.explainer import Explainer
from app.explaining.explanation import Explanation
from app.explaining.maps import ExplainedFaces, FaceMaps
from app.explaining.options import ExplainOptions
from app.explaining.other_maps import prepare
from app.logs import note
from model.importing.metadata import AnyCheckpoint, map_kind

T = TypeVar("T")

MAPS_SCALED = "maps_scaled_one_by_one"
SAME_NETWORK = "same_network"  # behind two of the names asked for
OTHER_FRAMING = "other_framing"  # of a model trained on faces that lie otherwise in their pictures than the first model's
APPROXIMATE_MAPS = "approximate_maps"  # of a model whose head is not linear


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


@dataclass(frozen=True)
class Pipeline:
    """What explains pictures, as one object: who holds it goes on with the same models while a reload replaces them for others.

    ``threads`` are those of one computation in PyTorch.
    """

    decoder: Decoder
    detector: FaceDetector
    explainer: Explainer
    executor: ComputePool
    threads: int

    async def explain(self, data: bytes, models: Mapping[str, AnyCheckpoint], options: ExplainOptions) -> ExplainedPicture:
        """Decode a picture in a decoder process and explain it in a compute slot.

        Raises:
            Problem: whatever is wrong with the picture or the request, or with the service.
        """
        return await self.answer(data, models, options, lambda picture: picture)

    async def answer(
        self, data: bytes, models: Mapping[str, AnyCheckpoint], options: ExplainOptions, make: Callable[[ExplainedPicture], T]
    ) -> T:
        """What ``make`` makes of an explained picture, in the same slot: neither on the event loop nor at the end of the queue again.

        Args:
            data: the file's bytes.
            models: of this pipeline's explainer, by the names asked for.

        Raises:
            Problem: whatever is wrong with the picture or the request, or with the service.
        """
        with metrics.stage("decode"):
            image = await self.decoder.decode(data)
        note(width=image.width, height=image.height, models=len(models))
        if options.method is not MapMethod.CAM:
            await asyncio.to_thread(prepare, self.threads)
        context = contextvars.copy_context()  # so that times taken in the thread reach this request's log line

        def answered() -> T:
            return make(explain_image(image, self.detector, self.explainer, models, options))

        return await self.executor.run(lambda: context.run(answered))


def explain_image(
    image: DecodedImage, detector: FaceDetector, explainer: Explainer, models: Mapping[str, AnyCheckpoint], options: ExplainOptions
) -> ExplainedPicture:
    """Find and explain the faces of a decoded picture, in the calling thread.

    The crops are made once, as the first of the models places faces.

    Raises:
        Problem: ``no_face``, ``invalid_parameter``, ``non_finite_output``.
    """
    geometry = next(iter(models.values())).metadata.geometry
    try:
        with metrics.stage("detect"):
            found = find_faces(image, detector, geometry, options.crop, options.faces)
    except Problem as problem:
        if problem.code is ErrorCode.NO_FACE:
            _record_faces(0)
        raise
    _record_faces(found.faces_found)
    explanations = explainer.explain(
        np.stack([face.grey for face in found.faces]),
        models,
        options.method,
        options.gauge,
        [face.landmarks_in_crop for face in found.faces],
        lambda side: np.stack([face.cut(side).transpose(2, 0, 1) for face in found.faces]),
    )
    scaled = () if options.method is MapMethod.CAM else (MAPS_SCALED,)
    distinct = {checkpoint.sha256 for checkpoint in models.values()}
    same = (SAME_NETWORK,) if len(distinct) < len(models) else ()
    approximate = (APPROXIMATE_MAPS,) if any(map_kind(model) == "approximate" for model in models.values()) else ()
    framings = any(model.metadata.geometry != geometry for model in models.values())
    framed = (OTHER_FRAMING,) if framings and found.faces[0].source == "detected" else ()
    warnings = (*image.warnings, *found.warnings, *scaled, *same, *framed, *approximate)
    return ExplainedPicture(image.width, image.height, found, tuple(explanations), warnings, options)


def _record_faces(found: int) -> None:
    metrics.FACES.observe(found)
    note(faces=found)
