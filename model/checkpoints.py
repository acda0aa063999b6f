"""Checkpoints for inference: one safetensors file each, weights in half precision, everything else in its JSON metadata.

Nothing is ever unpickled. A file is accepted only if its header is small and every number is finite; what runs it,
:mod:`model.onnx.predictor` or :mod:`model.reference`, asks that its tensors fit the network its metadata names. A file of the manifest must
also have the recorded sha256 and give the recorded logits for the golden image.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from safetensors import SafetensorError
from safetensors.numpy import load

from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.files.first_error import first_error
from model.files.json_file import load_json
from model.files.model_names import MODEL_NAME, MODEL_NAME_RULE
from model.files.regular_file import read_regular_file
from model.geometry import FACE_SIZE, RAFDB_FACE_SIZE, FaceGeometry
from model.measuring.estimate import Number
from model.measuring.results import Fraction, Intervals, SplitMetrics
from model.methods.settings import PLAIN
from model.networks import LARGEST_INPUT, SMALLEST_INPUT, Grid, network_grid, smallest_input

MAX_HEADER_BYTES = 1 << 20
GOLDEN_TOLERANCE = 1e-3  # logits of another processor's rounding differ by less; a wrong weight by more


class CheckpointError(InputError):
    """A checkpoint cannot be used; the message is one line, ``file: reason``."""


Name = Annotated[str, Field(pattern=f"^{MODEL_NAME}$")]
Revisions = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+, -]{1,2000}$")]
Text = Annotated[str, Field(max_length=1000)]
Constant = bool | int | Number | Text | None


class _RecordedIntervals(Intervals):
    macro_average_precision: tuple[Fraction, Fraction] | None = None  # earlier runs recorded it


class _RecordedMetrics(SplitMetrics):
    intervals: _RecordedIntervals


_CONSTANTS = TypeAdapter(Annotated[dict[Name, Constant | dict[Name, Constant]], Field(max_length=100)])
_METRICS = TypeAdapter(dict[Literal["valid", "test"], _RecordedMetrics | None])


class CheckpointMetadata(BaseModel):
    """What a checkpoint says of itself. Class counts are training faces; accuracies and rates are fractions in 0..1.

    ``colour`` is that of the faces trained on, whose side ``face_size`` has; files from before it was recorded are of grey faces.
    ``metrics`` are those of :class:`model.measuring.results.SplitMetrics`, as the run wrote them. ``hyperparameters`` has the method's
    own constants under ``settings``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["unturned-1"] = "unturned-1"
    method: Name
    network: Name
    tails: int = Field(ge=1, le=2)
    head: Literal["pooled", "positional"]
    dataset: Name
    imbalance: Name
    classes: tuple[str, ...]
    training_counts: dict[str, Annotated[int, Field(ge=1, le=1_000_000_000)]]
    minor_classes: tuple[str, ...]
    input_size: int = Field(ge=SMALLEST_INPUT, le=LARGEST_INPUT)
    colour: Literal["grey", "rgb"] = "grey"
    geometry: FaceGeometry
    seed: int = Field(ge=0, lt=1 << 64)
    epochs: int = Field(ge=1, le=1_000_000)
    hyperparameters: dict[str, Any]
    metrics: dict[str, Any]
    revision: Revisions

    @field_validator("training_counts")
    @classmethod
    def _counts_every_class(cls, counts: dict[str, int]) -> dict[str, int]:
        if set(counts) != set(EXPRESSIONS):
            raise ValueError("one count of each expression is needed")
        return counts

    @field_validator("hyperparameters", "metrics")
    @classmethod
    def _has_known_fields(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Checked, but kept in the words of the run that wrote them."""
        known: TypeAdapter[Any] = _METRICS if info.field_name == "metrics" else _CONSTANTS
        try:
            known.validate_python(value)
        except ValidationError as error:
            raise ValueError(first_error(error)) from error
        return value

    @property
    def face_size(self) -> int:
        """Side of the faces trained on, in pixels: a face is shown to the network no sharper than those."""
        return FACE_SIZE if self.colour == "grey" else RAFDB_FACE_SIZE

    @property
    def batch(self) -> int:
        """Faces of a training step."""
        return int(self.hyperparameters["batch"])

    @property
    def grid(self) -> Grid:
        """Where the cells of this checkpoint's maps lie on its input."""
        return network_grid(self.network, self.input_size)


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a loaded checkpoint; ``sha256`` (hex) is its file's."""

    name: str
    metadata: CheckpointMetadata
    sha256: str


@dataclass(frozen=True)
class StoredCheckpoint(Checkpoint):
    """A checkpoint's file as read: ``tensors`` by name, float32."""

    path: Path
    tensors: Mapping[str, NDArray[np.float32]]


def plain_twins(models: dict[str, CheckpointMetadata]) -> dict[str, str]:
    """For each model, by name, the first one trained plainly on the same faces for as many epochs; models without one are left out.

    Longer training alone is a gain, so a method is set against plain training of its own length.
    """
    plain = {_faces_and_length(model): name for name, model in reversed(models.items()) if model.method == PLAIN}
    return {name: plain[_faces_and_length(model)] for name, model in models.items() if _faces_and_length(model) in plain}


def _faces_and_length(model: CheckpointMetadata) -> tuple[str, str, int]:
    return model.dataset, model.imbalance, model.epochs


class ManifestEntry(BaseModel):
    """One shipped file: its sha256 and the logits it gives for :func:`golden_image`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    golden_logits: Annotated[tuple[Number, ...], Field(min_length=len(EXPRESSIONS), max_length=len(EXPRESSIONS))]


class Manifest(BaseModel):
    """``checkpoints/manifest.json``: the shipped checkpoints by name, and the one that ``ours`` stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ours: Name
    checkpoints: dict[Name, ManifestEntry]


def golden_image() -> NDArray[np.uint8]:
    """A fixed face-sized test picture, ``(1, 48, 48)``: row i, column j is ``(7 i + 3 j + i j) mod 256``."""
    rows, columns = np.arange(FACE_SIZE)[:, None], np.arange(FACE_SIZE)[None, :]
    return ((7 * rows + 3 * columns + rows * columns) % 256).astype(np.uint8)[None]


def check_golden(path: Path, logits: NDArray[np.float32], expected: ManifestEntry) -> None:
    """Refuse a checkpoint whose logits ``(L,)`` of the golden image are not those that the manifest records.

    Raises:
        CheckpointError: a logit differs by more than :data:`GOLDEN_TOLERANCE`.
    """
    gap = float(np.abs(logits - np.array(expected.golden_logits)).max())
    if not gap <= GOLDEN_TOLERANCE:
        raise CheckpointError(f"{path}: golden image gives logits {gap:.2g} away from the manifest's (allowed {GOLDEN_TOLERANCE:g})")


def read_checkpoint(path: Path, expected: ManifestEntry | None = None) -> StoredCheckpoint:
    """Read and check a checkpoint's file; with a manifest entry, also its hash.

    The whole file is read into memory (never mapped: a file cut later cannot kill the process).

    Raises:
        CheckpointError: the file is missing, damaged, or not what its metadata or the manifest says.
    """
    data = read_model_file(path)
    digest = hashlib.sha256(data).hexdigest()
    if expected is not None and digest != expected.sha256:
        raise CheckpointError(f"{path}: sha256 is {digest}, the manifest says {expected.sha256}")
    return StoredCheckpoint(path.stem, _metadata(path, data), digest, path, finite_tensors(path, data))


def load_manifest(directory: Path) -> Manifest:
    """Read ``manifest.json`` of a checkpoint directory.

    Raises:
        CheckpointError: missing or malformed; or ``ours`` names no entry.
    """
    path = directory / "manifest.json"
    manifest = load_json(path, Manifest, CheckpointError)
    if manifest.ours not in manifest.checkpoints:
        raise CheckpointError(f"{path}: 'ours' names {manifest.ours!r}, which is not in the manifest")
    return manifest


def read_model_file(path: Path) -> bytes:
    """The whole of a model's file, whose name must be one that a model can have.

    Raises:
        CheckpointError: it cannot be read, or its name stands in no address.
    """
    if re.fullmatch(MODEL_NAME, path.stem) is None:
        raise CheckpointError(f"{path}: rename the file: its name is the model's, which has {MODEL_NAME_RULE}")
    try:
        return read_regular_file(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error


def metadata_text(path: Path, data: bytes) -> str:
    """The JSON that this project's programs write into a safetensors file's header.

    Raises:
        CheckpointError: no safetensors file, or one of another program.
    """
    if len(data) < 8:
        raise CheckpointError(f"{path}: not a safetensors file (only {len(data)} bytes)")
    (length,) = struct.unpack("<Q", data[:8])
    if length > MAX_HEADER_BYTES or length > len(data) - 8:
        raise CheckpointError(f"{path}: not a safetensors file (header of {length} bytes)")
    try:
        header = json.loads(data[8 : 8 + length])
        return str(header["__metadata__"]["unturned"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of this project (no 'unturned' metadata)") from error


def _metadata(path: Path, data: bytes) -> CheckpointMetadata:
    try:
        metadata = CheckpointMetadata.model_validate_json(metadata_text(path, data))
    except ValidationError as error:
        raise CheckpointError(f"{path}: metadata: {first_error(error)}") from error
    if metadata.classes != EXPRESSIONS:
        raise CheckpointError(f"{path}: metadata: classes are {metadata.classes}, expected {EXPRESSIONS}")
    minor = metadata.minor_classes
    if not minor or not set(minor) < set(EXPRESSIONS) or len(set(minor)) != len(minor):
        raise CheckpointError(f"{path}: metadata: minor classes are {metadata.minor_classes}, expected some of {EXPRESSIONS}")
    try:
        smallest = smallest_input(metadata.network)
    except InputError as error:
        raise CheckpointError(f"{path}: metadata: {error}") from error
    if metadata.input_size < smallest:
        raise CheckpointError(f"{path}: metadata: input size is {metadata.input_size}, {metadata.network} needs at least {smallest}")
    return metadata


def finite_tensors(path: Path, data: bytes) -> dict[str, NDArray[np.float32]]:
    """The tensors of a safetensors file, as float32; bytes as they are.

    Raises:
        CheckpointError: the file is damaged, or a number in it is not finite.
    """
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except KeyError as error:  # a number format that arrays do not have
        raise CheckpointError(f"{path}: tensors of the type {error} cannot be read: save them as F16 or F32") from error
    kept = {name: tensor if tensor.dtype == np.uint8 else tensor.astype(np.float32) for name, tensor in tensors.items()}
    for name, tensor in kept.items():  # six times as fast as in half precision
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"{path}: tensor {name} holds NaN or infinity")
    return kept
