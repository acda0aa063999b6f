"""``unturned claims``: the paper's conclusions measured for all shipped checkpoints on every test face, written to ``claims.json``."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from model.checkpoints import load_manifest, plain_twins
from model.claims.comparison import Comparison, ModelFigures
from model.claims.faithfulness import measure_faithfulness, sample_faces
from model.claims.measures import measure_accuracies, measure_claims
from model.claims.report import ClaimsReport, MeasuredModel, save_claims
from model.classifier import ExpressionClassifier, log_odds
from model.data.faces import FaceSet
from model.data.labelled import load_labelled_faces
from model.errors import InputError
from model.files.atomic_write import make_room
from model.files.revision import code_revision
from model.geometry import ferplus_geometry
from model.maps.inner_face import inner_face_cover
from model.maps.measures import centred, minmax_overlap, overlap, periphery_share
from model.measuring.bootstrap import DRAWS, draw_counts
from model.measuring.evaluation import split_outputs
from model.measuring.mirror import MirrorFigures, SplitOutputs, mirror_figures
from model.measuring.shuffling import shuffle
from model.methods.settings import PLAIN
from model.preprocessing import network_input
from model.reference import ReferenceCheckpoint, load_checkpoint

SPLIT = "test"
SHUFFLE_SEED = 20231030


def run_claims(data: Path, checkpoints: Path, out: Path, command: str, draws: int = DRAWS, faithfulness: bool = True) -> int:
    """``unturned claims``: measure every checkpoint of the manifest on the FERPlus test split.

    Args:
        data: folder or zip of FERPlus.
        checkpoints: folder with the manifest.
        out: JSON file to write; the service reads ``claims.json`` beside the manifest.
        command: what was typed, to stand in the report.
        draws: bootstrap draws.
        faithfulness: also measure ROAD of the baseline's and of ``ours``' maps.

    Raises:
        CheckpointError: a checkpoint is missing or damaged.
        DatasetError: no FERPlus at ``data``, or one without an expression.
        InputError: no baseline in the manifest.
    """
    make_room(out)
    revision = code_revision()
    manifest = load_manifest(checkpoints)
    if PLAIN not in manifest.checkpoints:
        raise InputError(f"{checkpoints}: the manifest has no {PLAIN} to compare with; it has: {', '.join(manifest.checkpoints)}")
    faces = load_labelled_faces("ferplus", data, SPLIT)
    loaded: dict[str, ReferenceCheckpoint] = {}
    figures: dict[str, ModelFigures] = {}
    for name, entry in tqdm(manifest.checkpoints.items(), desc=f"{len(faces)} faces and their mirror images", unit="model"):
        loaded[name] = load_checkpoint(checkpoints / entry.file, entry)
        figures[name] = model_figures(loaded[name], faces)
    print(f"drawing the faces {draws} times")
    peers = plain_twins({name: checkpoint.metadata for name, checkpoint in loaded.items()})
    comparison = Comparison(figures, PLAIN, manifest.ours, tuple(draw_counts(len(faces), draws)), peers)
    report = ClaimsReport(
        command=command,
        revision=revision,
        dataset="ferplus",
        split=SPLIT,
        faces=len(faces),
        draws=draws,
        baseline=PLAIN,
        ours=manifest.ours,
        models={name: _measured_model(checkpoint, comparison) for name, checkpoint in loaded.items()},
        claims=measure_claims(comparison, faces.labels.numpy(), faces.votes.numpy(), _shuffled_figures(loaded[manifest.ours], faces)),
        accuracies=measure_accuracies(comparison, faces.labels.numpy()),
        faithfulness=None,
    )
    save_claims(out, report)
    print(verdict_lines(report))
    if faithfulness:
        print("removing pixels (ROAD)")
        road = measure_faithfulness({name: loaded[name] for name in (PLAIN, manifest.ours)}, sample_faces(faces))
        save_claims(out, report.model_copy(update={"faithfulness": road}))
    print(f"written to {out}")
    return 0


def _shuffled_figures(checkpoint: ReferenceCheckpoint, faces: FaceSet) -> MirrorFigures:
    return mirror_figures(split_outputs(with_shuffled_weights(checkpoint.classifier), _preparation(checkpoint), faces))


def _preparation(checkpoint: ReferenceCheckpoint) -> Callable[[Tensor], Tensor]:
    return partial(network_input, size=checkpoint.metadata.input_size)


def with_shuffled_weights(classifier: ExpressionClassifier) -> ExpressionClassifier:
    """A copy whose every filter and matrix holds its own weights in a random order, as strong as before; biases stay."""
    shuffled = deepcopy(classifier)
    generator = torch.Generator().manual_seed(SHUFFLE_SEED)
    shuffle((parameter for parameter in shuffled.parameters() if parameter.dim() > 1), generator)
    return shuffled


def _measured_model(checkpoint: ReferenceCheckpoint, comparison: Comparison) -> MeasuredModel:
    peer = comparison.peer(checkpoint.name)
    return MeasuredModel(
        checkpoint=checkpoint.name,
        method=checkpoint.metadata.method,
        sha256=checkpoint.sha256,
        epochs=checkpoint.metadata.epochs,
        against=None if peer == checkpoint.name else peer,
    )


def verdict_lines(report: ClaimsReport) -> str:
    """A line a claim, with the verdict for ``ours`` and the differences it rests on."""
    lines = []
    against = report.models[report.ours].against
    for claim in report.claims:
        lines.append(f"{claim.statement} {report.ours} against {against}: {claim.verdict_of(report.ours)}")
        for measure in claim.measures:
            difference = measure.differences[report.ours]
            if measure.decides and difference.value is not None and difference.interval is not None:
                low, high = difference.interval
                lines.append(f"  {measure.title}: {difference.value:+.4f} [{low:+.4f}, {high:+.4f}], {measure.better} is expected")
    return "\n".join(lines)


def model_figures(checkpoint: ReferenceCheckpoint, faces: FaceSet) -> ModelFigures:
    """All figures of a checkpoint on labelled FERPlus faces; maps in the gauge they are served in."""
    outputs = split_outputs(checkpoint.classifier, _preparation(checkpoint), faces)
    cells = outputs.maps.shape[-1]
    area, outside = inner_face_cover(checkpoint.metadata.grid, cells, ferplus_geometry().ellipse)
    return figures_of(outputs, area, outside)


def figures_of(outputs: SplitOutputs, area: NDArray[np.float64], outside: NDArray[np.float64]) -> ModelFigures:
    """The figures of a model's outputs.

    Args:
        area, outside: ``(h, w)``, as :func:`model.maps.inner_face.inner_face_cover` gives them.
    """
    maps = centred(outputs.maps.numpy())
    first, second = np.triu_indices(maps.shape[1], k=1)
    return ModelFigures(
        predicted=outputs.logits.argmax(1).numpy(),
        predicted_by_two=outputs.two_view_logits.argmax(1).numpy(),
        mirror=mirror_figures(outputs),
        overlap=_floats(overlap(maps)[:, first, second]),
        minmax_overlap=_floats(minmax_overlap(maps)[:, first, second]),
        periphery=_floats(periphery_share(maps, area, outside)),
        log_odds=log_odds(outputs.logits).numpy(),
    )


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    return values.astype(np.float64)
