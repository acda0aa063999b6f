"""Checkpoints for inference: one safetensors file each, weights in half precision, everything else in its JSON metadata.

Nothing is ever unpickled. A file is accepted only if its header is small, its tensors fit the network its metadata names, and
every number is finite; a file of the manifest must also have the recorded sha256 and give the recorded logits for the golden image.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from model.classifier import ExpressionClassifier, PooledHead, PositionalHead, Prediction
from model.errors import InputError, make_folder
from model.expressions import EXPRESSIONS
from model.files.atomic_write import replace_file
from model.files.first_error import first_error
from model.files.json_file import load_json
from model.files.regular_file import read_regular_file
from model.geometry import FaceGeometry
from model.measuring.results import Fraction, Intervals, SplitMetrics
from model.networks import LARGEST_INPUT, SMALLEST_INPUT, Grid, build_network, network_grid, smallest_input
from model.networks.backbone import prepare_for_inference
from model.preprocessing import FACE_SIZE, RAFDB_FACE_SIZE, network_input

MAX_HEADER_BYTES = 1 << 20
GOLDEN_TOLERANCE = 1e-3  # logits of another processor's rounding differ by less; a wrong weight by more


class CheckpointError(InputError):
    """A checkpoint cannot be used; the message is one line, ``file: reason``."""


NAME_PATTERN = r"^[A-Za-z0-9_.+-]{1,64}$"  # stands in addresses, pages and file names as it is
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Revisions = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+, -]{1,2000}$")]
Text = Annotated[str, Field(max_length=1000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
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
    def grid(self) -> Grid:
        """Where the cells of this checkpoint's maps lie on its input."""
        return network_grid(self.network, self.input_size)


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: the classifier in evaluation mode, BatchNorm folded, float32 weights frozen, and what is known of it."""

    name: str
    classifier: ExpressionClassifier
    metadata: CheckpointMetadata
    sha256: str


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


def golden_image() -> Tensor:
    """A fixed face-sized test picture, ``(1, 48, 48)`` uint8: row i, column j is ``(7 i + 3 j + i j) mod 256``."""
    rows, columns = torch.arange(FACE_SIZE).unsqueeze(1), torch.arange(FACE_SIZE).unsqueeze(0)
    return ((7 * rows + 3 * columns + rows * columns) % 256).to(torch.uint8).unsqueeze(0)


@torch.inference_mode()
def golden_logits(classifier: Callable[[Tensor], Prediction], input_size: int) -> Tensor:
    """Logits ``(L,)`` of the golden image."""
    return classifier(network_input(golden_image(), input_size)).logits[0]


def save_checkpoint(path: Path, classifier: ExpressionClassifier, metadata: CheckpointMetadata) -> str:
    """Write the inference tensors in half precision; returns the file's sha256 (hex)."""
    tensors = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in classifier.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    data = save(tensors, {"unturned": metadata.model_dump_json()})
    make_folder(path.parent)
    replace_file(path, data)
    return hashlib.sha256(data).hexdigest()


def load_checkpoint(path: Path, expected: ManifestEntry | None = None) -> Checkpoint:
    """Read, check and build a checkpoint; with a manifest entry, also check its hash and its golden logits.

    The whole file is read into memory (never mapped: a file cut later cannot kill the process).

    Raises:
        CheckpointError: the file is missing, damaged, or not what its metadata or the manifest says.
    """
    data = read_model_file(path)
    digest = hashlib.sha256(data).hexdigest()
    if expected is not None and digest != expected.sha256:
        raise CheckpointError(f"{path}: sha256 is {digest}, the manifest says {expected.sha256}")
    metadata = _metadata(path, data)
    classifier = _build(path, metadata, finite_tensors(path, data))
    if expected is not None:
        _check_golden(path, classifier, metadata, expected)
    return Checkpoint(path.stem, classifier, metadata, digest)


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
    if re.fullmatch(NAME_PATTERN, path.stem) is None:
        raise CheckpointError(f"{path}: rename the file: its name is the model's, which has at most 64 letters, digits and _ . + -")
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
    except (ValueError, KeyError, TypeError) as error:
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
    return metadata


def finite_tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    """The tensors of a safetensors file, as float32.

    Raises:
        CheckpointError: the file is damaged, or a number in it is not finite.
    """
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: {error}") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: tensor {name} holds NaN or infinity")
    return {name: tensor.float() for name, tensor in tensors.items()}


def _build(path: Path, metadata: CheckpointMetadata, tensors: dict[str, Tensor]) -> ExpressionClassifier:
    try:
        network = build_network(metadata.network, metadata.tails)
    except ValueError as error:
        raise CheckpointError(f"{path}: metadata: {error}") from error
    smallest = smallest_input(metadata.network)
    if metadata.input_size < smallest:
        raise CheckpointError(f"{path}: metadata: input size is {metadata.input_size}, {metadata.network} needs at least {smallest}")
    classes = len(metadata.classes)
    head: PooledHead | PositionalHead
    if metadata.head == "pooled":
        head = PooledHead(network.channels, classes)
    else:
        side = metadata.grid.cells
        head = PositionalHead(torch.zeros(classes, network.channels, side, side), torch.zeros(classes))
    classifier = ExpressionClassifier(network, head)
    # safetensors files leave out BatchNorm's step counter, which evaluation does not use
    counters = {name: value for name, value in classifier.state_dict().items() if name.endswith("num_batches_tracked")}
    try:
        classifier.load_state_dict(tensors | counters, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: weights do not fit {metadata.network}: {reason}") from error
    classifier.eval().requires_grad_(False)
    prepare_for_inference(classifier.network)
    return classifier


def _check_golden(path: Path, classifier: ExpressionClassifier, metadata: CheckpointMetadata, expected: ManifestEntry) -> None:
    logits = golden_logits(classifier, metadata.input_size)
    gap = (logits - torch.tensor(expected.golden_logits)).abs().max().item()
    if not gap <= GOLDEN_TOLERANCE:
        raise CheckpointError(f"{path}: golden image gives logits {gap:.2g} away from the manifest's (allowed {GOLDEN_TOLERANCE:g})")
