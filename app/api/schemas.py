"""The JSON of the REST API: what each answer has. No number in it can be NaN or infinite."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Box = Annotated[tuple[Finite, Finite, Finite, Finite], Field(description="Left, top, width, height in pixels of the upright picture.")]
Point = Annotated[tuple[Finite, Finite], Field(description="x and y in pixels of the upright picture.")]
Cells = list[list[list[Finite]]]


class Encoding(StrEnum):
    """How maps are written: nested lists of numbers, or the bytes of the array."""

    LIST = "list"
    BASE64 = "base64"


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncodedMaps(_Answer):
    """An array as bytes: rows within classes, little-endian single precision, base64."""

    dtype: Literal["<f4"] = Field(default="<f4", description="Little-endian single precision.")
    shape: tuple[int, int, int] = Field(description="Classes, rows, columns.")
    data: str = Field(description="Base64 of the bytes.")


class GridPlace(_Answer):
    """Where cells lie: cell i is centred at pixel `first + step * i` of the network's input, which is `input` pixels wide."""

    first: int = Field(description="Pixel at which cell 0 is centred.")
    step: int = Field(description="Pixels between the centres of two cells.")
    input: int = Field(description="Side of the network's input in pixels.")


class ClassNumbers(_Answer):
    """One number a class, for the face as given and for its mirror image."""

    original: list[Finite] = Field(description="Of the face, in the order of `classes`.")
    flipped: list[Finite] = Field(description="Of its mirror image, in the same order.")


class TwoViews(_Answer):
    """The answer of face and mirror image together: their logits are averaged. More often right than one view, and apart from it."""

    predicted: str = Field(description="The most probable expression by both views.")
    probabilities: list[Share] = Field(description="Softmax of the averaged logits, in the order of `classes`.")


class Maps(_Answer):
    """One map a class, for both views; `flipped` as the network saw the mirrored face, not mapped back."""

    original: Cells | EncodedMaps = Field(description="Of the face: classes, rows, columns.")
    flipped: Cells | EncodedMaps = Field(description="Of its mirror image: classes, rows, columns.")


class Consistency(_Answer):
    """Agreement of a class's map with that of the mirror image, mapped back; null where a map is flat."""

    pearson: Annotated[float, Field(ge=-1.0, le=1.0)] | None = Field(description="Correlation over the cells: 1 is perfect.")
    mse: Finite | None = Field(description="The paper's error, mean squared difference, of the maps in the trained gauge.")
    relative_mse: Finite | None = Field(description="The same over the mean variance of the two maps.")
    iou: Share | None = Field(description="Intersection over union of the two sets of top cells, a fifth of all.")
    own_symmetry: Annotated[float, Field(ge=-1.0, le=1.0)] | None = Field(
        description="Correlation of the face's map with its own mirror image: what a high `pearson` is to be read beside."
    )


class Cue(_Answer):
    """Where a model finds most evidence for a minor class, in words a person understands; left and right are the viewer's."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    expression: str = Field(serialization_alias="class", description="A minor class.")
    place: str | None = Field(description="A part of the face; null where the evidence lies in no one place, or there is none.")
    evidence: Finite = Field(description="Logits that the 3x3 cells around the peak add, against the average class.")
    share: Share = Field(description="Part of all the map's evidence that lies there; a place is named from 2/3 on.")
    peak: tuple[int, int] | None = Field(description="Row and column of the highest cell.")
    mirror_agrees: bool = Field(description="The mirror image's peak, mapped back, is at most one cell away.")
    sentence: str = Field(description="The same in words, with what becomes of it.")


class ModelExplanation(_Answer):
    """What one model says of one face. With the method `cam` and exact maps: mean over a map's cells + bias = logit."""

    checkpoint: str = Field(description="The checkpoint that answered.")
    classes: list[str] = Field(description="The seven expressions, in the order of all numbers and maps here.")
    minor_classes: list[str] = Field(description="The expressions with few training faces.")
    predicted: str = Field(description="The most probable expression of the face as given.")
    predicted_flipped: str = Field(description="The most probable expression of its mirror image.")
    total_variation: Share = Field(description="Change of the probabilities in the mirror: half the sum of the differences.")
    two_views: TwoViews = Field(description="Of face and mirror image together; every other number is of one view.")
    bias: list[Finite] = Field(description="Logits, one number a class: the part of the score that no cell adds.")
    grid: GridPlace = Field(description="Where the cells of the maps lie.")
    logits: ClassNumbers = Field(description="Scores, one number a class; with the gauge `centred` against the average class.")
    probabilities: ClassNumbers = Field(description="Softmax of the logits: from 0 to 1, with sum 1.")
    map_kind: Literal["exact", "approximate"] = Field(
        description="With the method `cam`: whether mean over a map's cells + bias is the logit, or only about so, since the model's head "
        "is not linear. Maps of any other method are heuristics for every model."
    )
    maps: Maps = Field(
        description="Classes x rows x columns, raw. With the method `cam` in logits: a cell's value over the number of cells is what it "
        "adds to the score. With any other method each map is scaled to 0..1."
    )
    consistency: dict[str, Consistency] = Field(description="By class.")
    cues: list[Cue] = Field(description="One for each minor class; always of the `centred` maps of `cam`.")


class Face(_Answer):
    """A face, and what each model says of it, by the names asked for."""

    box: Box = Field(description="Around the face: left, top, width, height in pixels of the upright picture.")
    score: Share | None = Field(description="The detector's; null where the crop was not detected.")
    landmarks: dict[str, Point] | None = Field(description="Five points by the viewer's left and right; null where not detected.")
    crop: Box = Field(
        description="The square that the networks saw, likewise; it may leave the picture. As `crop` it asks for this face again."
    )
    source: Literal["detected", "whole", "given"] = Field(description="Whether the crop was found, is the whole picture, or was asked for.")
    summary: list[str] = Field(
        description="Sentences: whether each model keeps its answer in the mirror, and where it finds minor classes."
    )
    most_changed: str = Field(description="The expression whose probability changes most in the mirror, in any of the models.")
    explanations: dict[str, ModelExplanation] = Field(description="By the names of models asked for.")


class ImageSize(_Answer):
    """Pixels of the upright picture."""

    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")


class ExplanationResponse(_Answer):
    """The answer to a picture: its faces, largest first."""

    request_id: str = Field(description="As in the header X-Request-ID.")
    image: ImageSize = Field(description="Size of the picture, upright.")
    faces_found: int = Field(description="May be more than `faces` holds.")
    warnings: list[str] = Field(
        description="Codes: approximate_maps, icc_ignored, low_resolution_face, maps_scaled_one_by_one, other_framing, same_network, "
        "taken_whole, uncalibrated_detector."
    )
    faces: list[Face] = Field(description="Largest first, at most as many as asked for.")


class Model(_Answer):
    """A checkpoint: its name, the sha256 of its file, and its metadata."""

    name: str = Field(description="As the parameter `models` takes it.")
    sha256: str = Field(description="Of the checkpoint's file.")
    grid: GridPlace = Field(description="Where the cells of its maps lie.")
    mirror_floor: float | None = Field(
        description="Mean agreement of a face's map with the mirror image of another face of the same predicted class, on the FERPlus test "
        "split, or on the part of it that its certificate is of: what a high `consistency` is to be read beside. Null where it was not "
        "measured."
    )
    metadata: dict[str, Any] = Field(description="How it was trained and how accurate it is.")


class ModelList(_Answer):
    """The checkpoints served; `ours` is the name of the one that `ours` stands for."""

    ours: str = Field(description="Name of a checkpoint.")
    models: list[Model] = Field(description="All that can be asked for.")


class Sample(_Answer):
    """A picture of the gallery; `url` is where it is."""

    id: str = Field(description="Its name in the gallery.")
    title: str = Field(description="Who is shown.")
    alt: str = Field(description="What is to be seen, in words.")
    credit: str = Field(description="Who made the picture.")
    licence: str = Field(description="Terms of use.")
    crop: str = Field(description="The parameter `crop` that suits it.")
    url: str = Field(description="Path of the picture on this service.")


class SampleList(_Answer):
    """The gallery."""

    samples: list[Sample] = Field(description="All pictures.")
