"""The answers of the REST API, filled from what the explainer found. Nothing of NumPy or PyTorch goes beyond this file.

Single-precision numbers are written with nine significant digits, which is enough to read back exactly the same number.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.api.schemas import (
    Cells,
    ClassNumbers,
    Consistency,
    Cue,
    EncodedMaps,
    Encoding,
    ExplanationResponse,
    Face,
    GridPlace,
    ImageSize,
    Maps,
    Model,
    ModelExplanation,
    TwoViews,
)
from app.explaining.sentences import cue_sentence, most_changed, summary
from model.expressions import EXPRESSIONS

if TYPE_CHECKING:
    from app.detection.find import FaceCrop
    from app.explaining.explanation import Explanation
    from app.explaining.maps import ModelMaps
    from app.explaining.pipeline import ExplainedPicture
    from model.importing.metadata import AnyCheckpoint
    from model.networks import Grid

_DIGITS = 9  # of a single-precision number, to read it back exactly
_LARGEST_EXACT_POWER = 22  # of ten, in double precision


def explanation_answer(picture: ExplainedPicture, request_id: str, encoding: Encoding = Encoding.LIST) -> ExplanationResponse:
    """The answer to a picture."""
    pairs = zip(picture.found.faces, picture.explanations, strict=True)
    return ExplanationResponse(
        request_id=request_id,
        image=ImageSize(width=picture.width, height=picture.height),
        faces_found=picture.found.faces_found,
        warnings=list(picture.warnings),
        faces=[_face_answer(face, explanations, encoding) for face, explanations in pairs],
    )


def _face_answer(face: FaceCrop, explanations: dict[str, Explanation], encoding: Encoding) -> Face:
    return Face(
        box=face.box,
        score=face.score,
        landmarks=face.landmarks,
        crop=face.crop,
        source=face.source,
        summary=summary(explanations),
        most_changed=most_changed(explanations),
        explanations={name: _model_answer(name, explanation, encoding) for name, explanation in explanations.items()},
    )


def model_answer(checkpoint: AnyCheckpoint, floor: float | None) -> Model:
    """A checkpoint as the API lists it, with its :func:`app.explaining.mirror_floor.mirror_floor`."""
    metadata = checkpoint.metadata
    place = _place(metadata.grid)
    return Model(name=checkpoint.name, sha256=checkpoint.sha256, grid=place, mirror_floor=floor, metadata=metadata.model_dump(mode="json"))


def _model_answer(name: str, explanation: Explanation, encoding: Encoding) -> ModelExplanation:
    maps = explanation.maps
    original, flipped = (_maps(view, encoding) for view in maps.maps)
    return ModelExplanation(
        checkpoint=maps.checkpoint,
        classes=list(EXPRESSIONS),
        minor_classes=list(maps.minor_classes),
        predicted=explanation.answers[0],
        predicted_flipped=explanation.answers[1],
        total_variation=explanation.total_variation,
        two_views=_two_views(maps),
        bias=decimal_numbers(maps.bias).tolist(),
        grid=_place(maps.grid),
        logits=_both_views(maps.logits),
        probabilities=_both_views(maps.probabilities.astype(np.float32)),
        map_kind=maps.map_kind,
        maps=Maps(original=original, flipped=flipped),
        consistency={
            expression: Consistency(pearson=c.pearson, mse=c.mse, relative_mse=c.relative_mse, iou=c.iou, own_symmetry=c.own_symmetry)
            for expression, c in explanation.consistency.items()
        },
        cues=[
            Cue(
                expression=cue.expression,
                place=cue.place,
                evidence=cue.evidence,
                share=cue.share,
                peak=cue.peak,
                mirror_agrees=cue.mirror_agrees,
                sentence=cue_sentence(name, cue, explanation.maps),
            )
            for cue in explanation.cues
        ],
    )


def _place(grid: Grid) -> GridPlace:
    return GridPlace(first=grid.first, step=grid.step, input=grid.input)


def _two_views(maps: ModelMaps) -> TwoViews:
    probabilities = maps.two_view_probabilities
    return TwoViews(
        predicted=EXPRESSIONS[int(probabilities.argmax())], probabilities=decimal_numbers(probabilities.astype(np.float32)).tolist()
    )


def _both_views(numbers: NDArray[np.float32]) -> ClassNumbers:
    original, flipped = decimal_numbers(numbers).tolist()
    return ClassNumbers(original=original, flipped=flipped)


def _maps(maps: NDArray[np.float32], encoding: Encoding) -> Cells | EncodedMaps:
    if encoding is Encoding.LIST:
        cells: Cells = decimal_numbers(maps).tolist()
        return cells
    data = np.ascontiguousarray(maps, dtype="<f4").tobytes()
    classes, rows, columns = maps.shape
    return EncodedMaps(shape=(classes, rows, columns), data=base64.b64encode(data).decode())


def decimal_numbers(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Single-precision numbers as the double-precision ones next to their nine-digit decimals, which print short and read back exactly.

    Numbers too small for that (below 1e-14) are given as they are: they print longer, and read back exactly, too.
    """
    exact = values.astype(np.float64)
    magnitude = np.floor(np.log10(np.abs(exact), out=np.zeros_like(exact), where=exact != 0.0))
    digits_after = _DIGITS - 1 - magnitude
    power = 10.0 ** np.clip(digits_after, 0, _LARGEST_EXACT_POWER)
    # an integer below 2^53 over an exact power of ten is rounded once: the quotient is the decimal's nearest double
    return np.where(digits_after <= _LARGEST_EXACT_POWER, np.rint(exact * power) / power, exact)
