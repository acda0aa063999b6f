"""What an imported checkpoint says of itself: the recipe that reads it, its input, what its maps are worth, how it was probed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.checkpoints import Checkpoint, Name, Text, metadata_text, read_model_file
from model.expressions import EXPRESSIONS, MINOR_CLASSES
from model.geometry import FaceGeometry
from model.measuring.estimate import Number
from model.networks import LARGEST_INPUT, SMALLEST_INPUT, Grid
from model.predictor import MapKind

Colour = Literal["rgb", "bgr", "grey"]
Triple = tuple[float, float, float]
CONTEMPT = "contempt"  # the eighth class of some data sets; its logit is not served
SMALLEST_FACE = 16  # pixels a side
LARGEST_MEAN = 10.0
SMALLEST_DEVIATION, LARGEST_DEVIATION = 1e-3, 10.0

_Mean = Annotated[float, Field(ge=-LARGEST_MEAN, le=LARGEST_MEAN)]
_Deviation = Annotated[float, Field(ge=SMALLEST_DEVIATION, le=LARGEST_DEVIATION)]
_Share = Annotated[float, Field(ge=0, le=1)]


class ProbeRecord(BaseModel):
    """What the import measured: the share of ``pictures`` labelled faces that the model answers rightly, and the accuracy it was said to
    have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pictures: int = Field(ge=1)
    accuracy: _Share
    stated: _Share


class ImportedMetadata(BaseModel):
    """Metadata of a file that ``unturned import`` wrote.

    ``published_classes`` are the rows of the file's classifier, in its order; the model answers in the project's. ``face_size`` is how many
    pixels a side its training faces had: a crop is reduced to that first, then brought to ``input_size``. ``mean`` and ``std`` are of
    channels in 0..1 in the network's own order. ``identity_error`` is the largest difference between a logit and the mean of its map plus
    the bias, over the largest logit, on random faces. ``probe`` is None where the import was ``--unchecked``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["unturned-import-1"] = "unturned-import-1"
    recipe: Name
    architecture: Name
    published_classes: tuple[Text, ...]
    colour: Colour
    input_size: int = Field(ge=SMALLEST_INPUT, le=LARGEST_INPUT)
    face_size: int = Field(ge=SMALLEST_FACE, le=LARGEST_INPUT)
    mean: tuple[_Mean, _Mean, _Mean]
    std: tuple[_Deviation, _Deviation, _Deviation]
    maps: MapKind
    identity_error: Number
    golden_logits: Annotated[tuple[Number, ...], Field(min_length=len(EXPRESSIONS), max_length=len(EXPRESSIONS))]
    grid_first: int = Field(ge=0, le=LARGEST_INPUT)
    grid_step: int = Field(ge=1, le=LARGEST_INPUT)
    geometry: FaceGeometry
    source_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    probe: ProbeRecord | None

    @model_validator(mode="after")
    def _has_every_expression(self) -> Self:
        if len(set(self.published_classes)) != len(self.published_classes) or set(self.published_classes) - {CONTEMPT} != set(EXPRESSIONS):
            raise ValueError(f"the classes are {', '.join(EXPRESSIONS)} in the file's order, with or without {CONTEMPT}")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """The order in which the model answers."""
        return EXPRESSIONS

    @property
    def minor_classes(self) -> tuple[str, ...]:
        """The paper's; what the model was trained on is not known here."""
        return MINOR_CLASSES

    @property
    def grid(self) -> Grid:
        """Where the cells of the maps lie on the input."""
        return Grid(self.grid_first, self.grid_step, self.input_size)

    @property
    def order(self) -> tuple[int, ...]:
        """Which row of the file's classifier each expression is."""
        return tuple(self.published_classes.index(name) for name in EXPRESSIONS)


@dataclass(frozen=True)
class ImportedCheckpoint:
    """What is known of a loaded import; ``sha256`` (hex) is its file's."""

    name: str
    metadata: ImportedMetadata
    sha256: str


AnyCheckpoint = Checkpoint | ImportedCheckpoint


def map_kind(checkpoint: AnyCheckpoint) -> MapKind:
    """Whether each logit is the mean of its map plus the bias: of imported models alone it may not be."""
    return checkpoint.metadata.maps if isinstance(checkpoint, ImportedCheckpoint) else "exact"


def is_import(path: Path) -> bool:
    """Whether a file of this project's programs was written by ``unturned import``.

    Raises:
        CheckpointError: it is no file of theirs.
    """
    return '"unturned-import-' in metadata_text(path, read_model_file(path))
