"""One part of an audit: its pictures decoded, cropped, shown to every model, and written as rows. The same bytes wherever it is made."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from app.auditing.job import AuditJob
from app.decoding.decoder import DecodedImage, DecodeLimits, Decoder, DecoderStartError
from app.detection.find import create_detector, find_faces
from app.errors import ErrorCode, Problem
from model.auditing.addresses import told
from model.auditing.answers import Columns, model_answers
from model.auditing.listing import read_listing
from model.auditing.manifest import AuditError, load_audit_manifest
from model.auditing.parts import part_path, part_schema
from model.auditing.rows import AuditedPicture, SeenFace, part_table, write_part
from model.auditing.sources import LARGEST_PICTURE, READ_ERRORS, Listed, Place, open_source

DECODE_SECONDS = 60.0  # of the processor; only what never ends takes so long
DECODER_STARTS = 3  # tried: where every processor loads models, a process may take long to come up
UNREADABLE = "unreadable_file"


@dataclass(frozen=True)
class MadePart:
    """A part that is written: its rows, and how many of them have each error, by its code."""

    number: int
    rows: int
    errors: Counter[str]


class Auditor:
    """Makes parts, one after the other, with models, detector and decoder that are loaded once.

    Everything is computed in one thread: the bits of a sum depend on how many share it.

    Raises:
        InputError: the audit's folder, source or checkpoints cannot be used here, or the decoder does not start.
    """

    def __init__(self, job: AuditJob) -> None:
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        self._job = job
        self._manifest = load_audit_manifest(job.directory)
        self._schema = part_schema(self._manifest.models)
        self._source = open_source(job.source)
        self._checkpoints = job.loaded_as_begun(self._manifest)
        self._geometry = next(iter(self._checkpoints.values())).metadata.geometry
        self._detector = create_detector(None)
        self._runner = asyncio.Runner()
        self._decoder = Decoder(DecodeLimits(), processes=1, timeout_seconds=DECODE_SECONDS)
        self._start_decoder()

    def _start_decoder(self) -> None:
        failed: DecoderStartError | None = None
        for _ in range(DECODER_STARTS):
            try:
                return self._runner.run(self._decoder.start())
            except DecoderStartError as error:
                failed = error
        self._runner.close()
        raise AuditError(str(failed)) from failed

    def close(self) -> None:
        """End the decoder."""
        self._runner.run(self._decoder.stop())
        self._runner.close()

    def make(self, number: int) -> MadePart:
        """Write part ``number``.

        Raises:
            AuditError: the source is on another machine, and can no longer be reached.
            FileError: it cannot be written.
        """
        pictures = [self._audited(listed) for listed in read_listing(self._job.listing, number)]
        pictures, answers = _only_finite(pictures, self._answers(pictures))
        write_part(part_path(self._job.directory, number), part_table(self._schema, pictures, answers))
        return MadePart(number, len(pictures), Counter(picture.error.partition(":")[0] for picture in pictures if picture.error))

    def _audited(self, listed: Listed) -> AuditedPicture:
        try:
            data = self._read(listed.place)
        except AuditError:  # the source is out of reach, which is no fault of the picture
            raise
        except Problem as problem:
            return AuditedPicture(listed, None, None, _as_error(problem))
        except READ_ERRORS as error:
            return AuditedPicture(listed, None, None, f"{UNREADABLE}: {told(error)}")
        digest = hashlib.sha256(data).hexdigest()
        try:
            return AuditedPicture(listed, digest, self._seen(data), None)
        except Problem as problem:
            return AuditedPicture(listed, digest, None, _as_error(problem))

    def _read(self, place: Place) -> bytes:
        if (place.size or 0) <= LARGEST_PICTURE:
            data = self._source.read(place)
            if len(data) <= LARGEST_PICTURE:
                return data
        raise Problem(ErrorCode.BODY_TOO_LARGE, f"The file has more than {LARGEST_PICTURE} bytes.")

    def _seen(self, data: bytes) -> SeenFace:
        """The largest face of a picture, or all of it."""
        image = self._decoded(data)
        crop = self._manifest.settings.crop
        found = find_faces(image, self._detector, self._geometry, crop, limit=1)
        (face,) = found.faces
        faces_found = None if crop == "whole" else found.faces_found if face.source == "detected" else 0
        return SeenFace(face.grey, image.width, image.height, faces_found, face.score, face.crop)

    def _decoded(self, data: bytes) -> DecodedImage:
        """A picture's pixels; tried once more where the decoder died, which may be for want of memory: a row is for good."""
        try:
            return self._runner.run(self._decoder.decode(data))
        except Problem as problem:
            if problem.code is not ErrorCode.DECODER_FAILED:
                raise
        return self._runner.run(self._decoder.decode(data))

    def _answers(self, pictures: Sequence[AuditedPicture]) -> dict[str, Columns]:
        """What the models say of the pictures that have a face; nothing where none has."""
        faces = [picture.face.grey for picture in pictures if picture.face]
        if not faces:
            return {}
        stacked = torch.from_numpy(np.stack(faces))
        return {name: model_answers(checkpoint, stacked) for name, checkpoint in self._checkpoints.items()}


def _only_finite(pictures: Sequence[AuditedPicture], answers: dict[str, Columns]) -> tuple[list[AuditedPicture], dict[str, Columns]]:
    """An error in place of the face of a picture to which a model answers with what is no number."""
    views = [of_model[name] for of_model in answers.values() for name in ("probabilities", "mirror_probabilities")]
    if not views:
        return list(pictures), answers
    finite = np.isfinite(np.concatenate(views, axis=1)).all(1)
    verdicts = iter(finite)
    failed = _as_error(Problem(ErrorCode.NON_FINITE_OUTPUT))
    kept = [replace(picture, face=None, error=failed) if picture.face and not next(verdicts) else picture for picture in pictures]
    return kept, {model: {name: values[finite] for name, values in of_model.items()} for model, of_model in answers.items()}


def _as_error(problem: Problem) -> str:
    return f"{problem.code}: {' '.join(problem.detail.split())}"
