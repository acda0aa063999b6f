"""``checkpoints/claims.json``: the paper's three conclusions as measurements, with a verdict computed from the intervals.

Rates and correlations are fractions; faces are numbered as in the labelled faces of the test split, in the order of the dataset's files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from model.errors import InputError
from model.files.atomic_write import replace_file
from model.files.json_file import load_json
from model.measuring.estimate import Estimate, Number

CLAIMS_FILE = "claims.json"  # in the folder of the checkpoints

Verdict = Literal["holds", "does not hold", "undecided"]


class ClaimsError(InputError):
    """The report is missing or malformed; the message is one line, ``file: reason``."""


class _ClaimsRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measure(_ClaimsRecord):
    """One figure for every model, and its difference from the plain training that it is set against, on the same draws of faces.

    ``better`` is the direction the claim expects; ``decides`` tells whether the claim's verdict rests on this measure, or it is
    only reported. ``reference`` is what needs no classifier, such as a bare rule. ``differences`` and ``verdicts`` have every model that is
    set against another.
    """

    key: str
    title: str
    expression: str | None = None
    better: Literal["higher", "lower"]
    decides: bool
    models: dict[str, Estimate]
    differences: dict[str, Estimate]
    verdicts: dict[str, Verdict]
    reference: Number | None = None
    reference_title: str | None = None


class PointSet(_ClaimsRecord):
    """A scatter plot, one point a face: the baseline's value across, that of ``ours`` up; ``marked`` faces are drawn apart."""

    key: str
    title: str
    quantity: str
    faces: tuple[int, ...]
    baseline: tuple[Number, ...]
    ours: tuple[Number, ...]
    marked: tuple[bool, ...] | None = None
    marked_title: str | None = None

    @model_validator(mode="after")
    def _has_one_value_a_face(self) -> Self:
        if {len(self.baseline), len(self.ours), len(self.marked or self.faces)} != {len(self.faces)}:
            raise ValueError(f"{self.key}: every face needs one value a model")
        return self


class Claim(_ClaimsRecord):
    """One conclusion of the paper's section 3: ``statement`` in this project's words, how it is measured, and what came out.

    ``verdicts`` has every model that is set against another, ``qualifications`` what some of them are to be read with; ``samples`` says
    how many faces each figure rests on.
    """

    key: str
    statement: str
    method: str
    samples: dict[str, int]
    measures: tuple[Measure, ...]
    verdicts: dict[str, Verdict]
    qualifications: dict[str, str] = {}
    points: tuple[PointSet, ...]

    def verdict_of(self, model: str) -> str:
        """A model's verdict in words, with what it is to be read with."""
        return ", ".join([self.verdicts[model], *(text for name, text in self.qualifications.items() if name == model)])


class MeasuredModel(_ClaimsRecord):
    """A model of the report; ``against`` is the model that it is set against, trained plainly for as many epochs where there is one."""

    checkpoint: str
    method: str
    sha256: str
    epochs: int | None = None
    against: str | None = None


class FaceMean(_ClaimsRecord):
    """Mean over faces with its 95% interval."""

    mean: Number
    interval: tuple[Number, Number]


class RoadFigures(_ClaimsRecord):
    """ROAD of a model's maps, in changes of the predicted class's probability; ``gain`` is ``map`` less ``random``, face by face.

    ``map`` is half of ``removing_lowest`` less ``removing_highest``, and so is ``random`` for maps of random numbers.
    """

    checkpoint: str
    map: FaceMean
    random: FaceMean
    gain: FaceMean
    removing_highest: FaceMean
    removing_lowest: FaceMean


class Faithfulness(_ClaimsRecord):
    """ROAD on a sample of the faces: by model, and the other models' gain less the first one's."""

    rule: str
    faces: int
    models: dict[str, RoadFigures]
    differences: dict[str, FaceMean]


class ClaimsReport(_ClaimsRecord):
    """The whole report; ``ours`` is the model of the headline verdicts, ``faithfulness`` what ``model.claims.faithfulness`` measures.

    ``accuracies`` are overall and mean accuracy on the same draws, which no claim rests on.
    """

    format: Literal["unturned-claims-1"] = "unturned-claims-1"
    command: str
    revision: str
    dataset: str
    split: str
    faces: int
    draws: int
    baseline: str
    ours: str
    models: dict[str, MeasuredModel]
    claims: tuple[Claim, ...]
    accuracies: tuple[Measure, ...] = ()
    faithfulness: Faithfulness | None

    @model_validator(mode="after")
    def _names_its_models(self) -> Self:
        measures = [*self.accuracies, *(measure for claim in self.claims for measure in claim.measures)]
        unknown = {self.baseline, self.ours}.union(*(measure.models for measure in measures)) - set(self.models)
        if unknown:
            raise ValueError(f"models does not have {', '.join(sorted(unknown))}")
        return self


def decide(difference: Estimate, better: Literal["higher", "lower"]) -> Verdict:
    """What an interval of the difference says: wholly on the expected side of 0, wholly on the other, or neither."""
    if difference.interval is None:
        return "undecided"
    low, high = difference.interval if better == "higher" else (-difference.interval[1], -difference.interval[0])
    if low > 0:
        return "holds"
    return "does not hold" if high < 0 else "undecided"


def combine(verdicts: list[Verdict]) -> Verdict:
    """A claim of several parts: holds if all do, does not if one does not, otherwise undecided."""
    if "does not hold" in verdicts:
        return "does not hold"
    return "holds" if verdicts and set(verdicts) == {"holds"} else "undecided"


def save_claims(path: Path, report: ClaimsReport) -> None:
    """Write the report atomically."""
    replace_file(path, f"{report.model_dump_json()}\n".encode())


def load_claims(directory: Path) -> ClaimsReport:
    """Read the report.

    Raises:
        ClaimsError: missing or malformed.
    """
    return load_json(directory / CLAIMS_FILE, ClaimsReport, ClaimsError, "`unturned claims` makes it")
