"""What a training run leaves behind to be compared: one JSON file a run, checked on writing and on reading.

Every rate is a fraction in 0..1, never a percentage; classes are keyed by the names of ``EXPRESSIONS``. Undefined numbers are null.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from model.errors import InputError, make_folder
from model.expressions import EXPRESSIONS
from model.files.atomic_write import replace_file
from model.files.json_file import load_json
from model.measuring.bootstrap import Floats, Labels
from model.measuring.estimate import Estimate

RESULTS_FOLDER = "results"  # inside the folder of the checkpoints
TRIALS_FOLDER = "trials"  # inside the folder of the results
SINGLE_PRECISION = 1e-5  # in which accuracies are averaged over as many faces as a split has

Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Correlation = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]
Digits = Annotated[str, Field(pattern="^[0-6]+$")]
Confusion = tuple[tuple[Annotated[int, Field(ge=0)], ...], ...]


class ResultError(InputError):
    """A result file cannot be used; the message is one line, ``file: reason``."""


class _ResultRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Accuracies(_ResultRecord):
    """``overall`` is correct over all faces, ``mean`` the unweighted mean over the classes of ``per_class``."""

    overall: Fraction
    mean: Fraction
    per_class: dict[str, Fraction]

    @model_validator(mode="after")
    def _has_every_class(self) -> Self:
        _require_classes(self.per_class)
        return self


class FlipConsistency(_ResultRecord):
    """Pearson correlation of a map and its mirror image's map, averaged over the faces; ``mean`` over the classes that have a value."""

    mean: Correlation | None
    per_class: dict[str, Correlation | None]

    @model_validator(mode="after")
    def _has_every_class(self) -> Self:
        _require_classes(self.per_class)
        return self


class Intervals(_ResultRecord):
    """Percentile bootstrap 95% intervals over the faces of the split."""

    overall: tuple[Fraction, Fraction]
    mean: tuple[Fraction, Fraction]
    per_class: dict[str, tuple[Fraction, Fraction] | None] | None = None
    flip_consistency: dict[str, tuple[Correlation, Correlation] | None] | None = None


class MirrorMetrics(_ResultRecord):
    """What is read beside flip consistency, as :class:`model.measuring.mirror.MirrorFigures` defines it.

    The first three are means over the faces, then over the classes: a map's correlation with itself mirrored, that with the mirror
    image's map of another face of the same predicted class, and the share of maps that find their own mirror image among 100. The last two
    are means over the faces: the share whose prediction changes in the mirror, and the total variation of the two answers.
    """

    own_symmetry: Estimate
    other_faces: Estimate
    own_mirror_found: Estimate
    changed_answers: Estimate
    total_variation: Estimate


class FrontierPoint(_ResultRecord):
    """Accuracies with ``tau`` times the log prior taken out of the logits."""

    tau: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    overall: Fraction
    mean: Fraction


class TwoViews(Accuracies):
    """A model that averages its logits of the face and of its mirror image."""

    macro_average_precision: Fraction
    intervals: Intervals
    frontier: tuple[FrontierPoint, ...]


class SplitMetrics(Accuracies):
    """A model on one split.

    ``confusion`` has the label as its row and the prediction as its column; ``logit_adjusted`` holds, by tau, the accuracies of
    ``logits - tau log(training prior)`` (Menon et al., ICLR 2021), ``frontier`` the same for more values of tau; both are empty where the
    training set is not known. ``mirror`` and ``two_views`` are null, and ``frontier`` is empty, for runs from before they were measured.
    """

    faces: int = Field(gt=0)
    macro_average_precision: Fraction
    confusion: Confusion
    flip_consistency: FlipConsistency | None
    logit_adjusted: dict[str, Accuracies]
    intervals: Intervals
    mirror: MirrorMetrics | None = None
    two_views: TwoViews | None = None
    frontier: tuple[FrontierPoint, ...] = ()

    @model_validator(mode="after")
    def _counts_every_face(self) -> Self:
        if len(self.confusion) != len(EXPRESSIONS) or any(len(row) != len(EXPRESSIONS) for row in self.confusion):
            raise ValueError(f"confusion is not {len(EXPRESSIONS)} x {len(EXPRESSIONS)}")
        counted = sum(map(sum, self.confusion))
        if counted != self.faces:
            raise ValueError(f"confusion counts {counted} faces of {self.faces}")
        return self

    @model_validator(mode="after")
    def _has_the_accuracies_that_it_counts(self) -> Self:
        counts = np.array(self.confusion)
        right = counts.diagonal() / np.maximum(counts.sum(1), 1)
        told = [self.overall, self.mean, *(self.per_class[name] for name in EXPRESSIONS)]
        if not np.allclose(told, [counts.trace() / self.faces, right.mean(), *right], rtol=0.0, atol=SINGLE_PRECISION):
            raise ValueError("the accuracies are not those that the confusion matrix counts")
        return self


class Predictions(_ResultRecord):
    """Every face of a split in the data set's order, a digit each: index in ``EXPRESSIONS`` of its label and of what the model says."""

    labels: Digits
    predicted: Digits

    @model_validator(mode="after")
    def _has_as_many(self) -> Self:
        if len(self.labels) != len(self.predicted):
            raise ValueError(f"{len(self.labels)} labels and {len(self.predicted)} predictions")
        return self

    @property
    def label_indices(self) -> Labels:
        """The labels as integers, (N,)."""
        return _integers(self.labels)

    @property
    def right(self) -> Floats:
        """1 where the prediction is the label, else 0, (N,)."""
        right: Floats = (self.label_indices == _integers(self.predicted)).astype(np.float64)
        return right

    def counts(self) -> Confusion:
        """The confusion matrix of these predictions."""
        pairs = Counter(zip(self.labels, self.predicted, strict=True))
        digits = [str(index) for index in range(len(EXPRESSIONS))]
        return tuple(tuple(pairs[label, said] for said in digits) for label in digits)


def _integers(digits: str) -> Labels:
    return np.array([int(digit) for digit in digits])


class Machine(_ResultRecord):
    """Where a run was done: processor, threads the run used, accelerator if any."""

    cpu: str
    threads: int
    accelerator: str | None


class RunResult(_ResultRecord):
    """One finished run.

    ``imbalance`` names the protocol (``original`` or an imbalance factor), ``seconds`` is time in training steps, ``learning_curve`` has
    one entry an epoch: validation figures and what the method reports of itself, such as labels changed. ``revision`` is that of the
    code, several with commas between them where a run was continued with another; ``versions`` and ``machine`` are those of its end.
    ``test_predictions`` is null for runs from before they were kept.
    """

    format: Literal["unturned-result-1"] = "unturned-result-1"
    command: str
    method: str
    dataset: str
    imbalance: str
    network: str
    input_size: int
    epochs: int
    batch: int
    seed: int
    revision: str
    seconds: float = Field(ge=0)
    versions: dict[str, str]
    machine: Machine
    training_counts: dict[str, int]
    hyperparameters: dict[str, JsonValue]
    learning_curve: tuple[dict[str, JsonValue], ...]
    valid: SplitMetrics | None
    test: SplitMetrics
    test_predictions: Predictions | None = None

    @property
    def file_name(self) -> str:
        """Name of its file in whichever folder."""
        return result_path(Path(), self.method, self.dataset, self.imbalance, self.seed).name

    @property
    def settings(self) -> dict[str, JsonValue]:
        """The method's own constants, by name."""
        settings = self.hyperparameters["settings"]
        assert isinstance(settings, dict)
        return settings

    @model_validator(mode="after")
    def _has_every_class(self) -> Self:
        _require_classes(self.training_counts)
        return self

    @model_validator(mode="after")
    def _agrees_with_its_predictions(self) -> Self:
        if self.test_predictions is not None and self.test_predictions.counts() != self.test.confusion:
            raise ValueError("test_predictions are not those that the confusion matrix of the test split counts")
        return self


def _require_classes(values: Iterable[str]) -> None:
    if set(values) != set(EXPRESSIONS):
        raise ValueError(f"the classes must be {', '.join(EXPRESSIONS)}")


def result_path(folder: Path, method: str, dataset: str, imbalance: str, seed: int) -> Path:
    """File of a run: ``<dataset>-<imbalance>-<method>-seed<seed>.json``."""
    return folder / f"{dataset}-{imbalance}-{method}-seed{seed}.json"


def save_result(folder: Path, result: RunResult) -> Path:
    """Write a result atomically; returns its path."""
    path = folder / result.file_name
    make_folder(folder)
    replace_file(path, f"{result.model_dump_json(indent=1)}\n".encode())
    return path


def load_result(path: Path) -> RunResult:
    """Read one result.

    Raises:
        ResultError: missing, malformed, or stored under another run's name.
    """
    result = load_named(path)
    if path.name != result.file_name:
        raise ResultError(f"{path}: holds the run of {result.file_name}")
    return result


def load_results(folder: Path) -> list[RunResult]:
    """Every result of a folder, in the order of the file names; none where the folder does not exist."""
    return [load_result(path) for path in sorted(folder.glob("*.json"))]


def load_other_protocols(folder: Path) -> dict[Path, list[RunResult]]:
    """The results in each folder within one of results, but for the trials': each is meant to hold the runs of one protocol.

    Raises:
        ResultError: a file is malformed, or stored under another run's name.
    """
    inside = sorted(path for path in folder.glob("*/") if path.name != TRIALS_FOLDER)
    return {path: runs for path in inside if (runs := load_results(path))}


def load_trials(folder: Path) -> list[RunResult]:
    """Every trial beside the results of a folder, in the order of the file names, which say after the run's name what was tried.

    Raises:
        ResultError: a file is malformed.
    """
    return [load_named(path) for path in sorted((folder / TRIALS_FOLDER).glob("*.json"))]


def load_named(path: Path) -> RunResult:
    """Read one result, whatever its file is called.

    Raises:
        ResultError: missing or malformed.
    """
    return load_json(path, RunResult, ResultError)
