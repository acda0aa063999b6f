"""``unturned certify``: measure how far a checkpoint's maps can be trusted, on faces of the FERPlus test split."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from model.certifying.completeness import completeness_line
from model.certifying.mirror import mirror_lines
from model.certifying.perturbation import faithfulness_lines
from model.certifying.randomisation import randomisation_lines
from model.certifying.regions import region_lines
from model.certifying.report import FACES, SEED, Certificate, Line
from model.certifying.sample import Sample, attention_maps, balanced_sample
from model.data.faces import FaceSet
from model.data.labelled import load_labelled_faces
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.files.revision import code_revision
from model.importing.imported import ServedModel, dataset_input, load_model
from model.importing.metadata import ImportedMetadata
from model.measuring.bootstrap import DRAWS

SPLIT = "test"
FEWEST_FACES = 2 * len(EXPRESSIONS)
SEEDS = 2**63  # half of PyTorch's, so that a group of faces may have the seed and its number added


def certify(path: Path, data: Path, command: str, most_faces: int = FACES, seed: int = SEED) -> Certificate:
    """Measure the certificate of a checkpoint, this project's or an imported one.

    Args:
        path: the checkpoint.
        data: folder or zip of FERPlus.
        command: what was typed, to stand in the certificate.
        most_faces: as many of every expression as of the others, as far as there are.
        seed: of the choice of faces, the random maps and the random weights.

    Raises:
        CheckpointError: the checkpoint is missing or damaged.
        DatasetError: no FERPlus at ``data``, or one without an expression.
        InputError: too few faces were asked for, or a seed below 0 or from ``SEEDS`` on.
    """
    if most_faces < FEWEST_FACES:
        raise InputError(f"--faces {most_faces}: at least {FEWEST_FACES} are needed, two of each expression")
    if not 0 <= seed < SEEDS:
        raise InputError(f"--seed must be 0 or more and below 2**63, not {seed}")
    model, revision = load_model(path), code_revision()
    if isinstance(model.metadata, ImportedMetadata) and model.metadata.recipe == "onnx":
        raise InputError(f"{path}: the layers of an ONNX graph cannot be randomised here: certify its weights imported with another recipe")
    faces = balanced_sample(load_labelled_faces("ferplus", data, SPLIT), most_faces, seed)
    start = time.perf_counter()
    lines = tuple(_announced(_lines(model, faces, seed)))
    (completeness,) = (line for line in lines if line.section == "exactness")
    return Certificate(
        checkpoint=model.name,
        sha256=model.sha256,
        network=_network(model),
        maps="exact" if completeness.verdict == "pass" else "approximate",
        dataset="ferplus",
        split=SPLIT,
        faces=len(faces),
        faces_by_class=dict(zip(EXPRESSIONS, faces.counts(), strict=True)),
        seed=seed,
        draws=DRAWS,
        command=command,
        revision=revision,
        seconds=round(time.perf_counter() - start, 1),
        lines=lines,
    )


def _lines(model: ServedModel, faces: FaceSet, seed: int) -> Iterable[Line]:
    sample = Sample.of(model.classifier, partial(dataset_input, model), model.metadata.grid, faces)
    yield completeness_line(sample)
    yield from randomisation_lines(sample, attention_maps, seed)
    yield from faithfulness_lines(sample, seed)
    yield from mirror_lines(sample, seed)
    yield from region_lines(sample, seed)


def _network(model: ServedModel) -> str:
    metadata = model.metadata
    return f"{metadata.architecture}, imported as {metadata.recipe}" if isinstance(metadata, ImportedMetadata) else metadata.network


def _announced(lines: Iterable[Line]) -> Iterable[Line]:
    """The lines, each told as soon as it is measured."""
    for line in lines:
        print(line_text(line), flush=True)
        yield line


def line_text(line: Line) -> str:
    """A line for a terminal: verdict, title, figure and control."""
    return f"{line.said:>13}  {line.title}: {_number(line.figure.value)} ({line.chance_title}: {_number(line.chance.value)})"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3g}"
