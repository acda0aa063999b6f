"""One experiment from data to shipped file: load, train, measure on both splits, record, and, if asked, ship."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from tqdm import tqdm

from model.checkpoints import Checkpoint, CheckpointMetadata, read_checkpoint
from model.classifier import ExpressionClassifier, PositionalHead
from model.data.faces import FaceSet
from model.data.imbalance import thin_to_protocol
from model.data.labelled import load_labelled_faces
from model.errors import InputError
from model.expressions import EXPRESSIONS, MINOR_CLASSES
from model.files.folder_lock import folder_lock
from model.geometry import FaceGeometry
from model.measuring.evaluation import learning_curve_point, split_logits, split_metrics, split_outputs, split_predictions
from model.measuring.machine import installed_versions, this_machine
from model.measuring.results import RunResult, load_result, result_path, save_result
from model.methods.base import Method
from model.preprocessing import network_input
from model.reference import save_checkpoint
from model.training.config import TrainingConfig
from model.training.loop import fit
from model.training.preparing import Run, prepare_run
from model.training.processes import launched_fabric
from model.training.replacing import planned_choices, refuse_to_replace
from model.training.shipping import checkpoint_path, refuse_strangers, ship_checkpoint
from model.training.state import Progress, read_log
from model.training.teachers import TEACHING_FILE, digests, load_teachers, teach

CURVE_FACES = 1024  # training faces, without augmentation, that the learning curve is of, beside the validation split
CHECKPOINT_FILE = "checkpoint.safetensors"
VALIDATION_SPLITS = {"ferplus": "valid", "rafdb": None}  # RAF-DB has only train and test


@dataclass(frozen=True)
class Experiment:
    """A training config, the data it sees, and where its files go; ``limit`` leaves only so many faces of each split, for a dry run,
    and ``geometry`` is where the faces lie in their pictures, by which uploads are cropped.

    Raises:
        InputError: fewer faces than expressions.
    """

    config: TrainingConfig
    dataset: str
    data: Path
    imbalance: str
    geometry: FaceGeometry
    directory: Path
    results: Path
    ship_to: Path | None
    limit: int | None
    command: str

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < len(EXPRESSIONS):
            raise InputError(f"--limit must be at least {len(EXPRESSIONS)}, a face of each expression, not {self.limit}")


def run_experiment(experiment: Experiment, resume: bool) -> RunResult:
    """Train to the end, measure, ship, record.

    Raises:
        Interrupted: asked to stop; the state is saved.
        FolderBusyError: another process works on this run.
        InputError: a choice or a file cannot be used; the message says what to do.
    """
    with (
        launched_fabric(experiment.config.precision) as fabric,
        folder_lock(experiment.directory) if fabric.is_global_zero else nullcontext(),
    ):
        return _run(experiment, fabric, resume)


def _run(experiment: Experiment, fabric: Fabric, resume: bool) -> RunResult:
    config = experiment.config
    teachers = load_teachers(config.teachers, experiment.dataset, experiment.imbalance)
    hyperparameters = recorded_hyperparameters(config, teachers, fabric.world_size)
    if experiment.ship_to is not None:
        refuse_strangers(experiment.ship_to)
    _refuse_to_replace_another_run(experiment, hyperparameters)
    train = _training_faces(experiment)
    valid_split = VALIDATION_SPLITS[experiment.dataset]
    valid = None if valid_split is None else _measured_faces(experiment, valid_split)
    test = _measured_faces(experiment, "test")  # what is wrong with it should show before hours of training
    counts = dict(zip(EXPRESSIONS, train.counts(), strict=True))
    _refuse_to_replace_another_run(experiment, hyperparameters, counts)
    answers = teach(teachers, train, experiment.directory / TEACHING_FILE, fabric, config.precision)
    run = prepare_run(config, train, answers)
    progress = _fit(experiment, run, valid, fabric, resume)
    classifier = run.method.inference()
    prepare = partial(network_input, size=config.input_size)
    outputs = split_outputs(classifier, prepare, test)
    result = RunResult(
        command=experiment.command,
        method=config.method,
        dataset=experiment.dataset,
        imbalance=experiment.imbalance,
        network=config.network,
        input_size=config.input_size,
        epochs=config.epochs,
        batch=config.batch,
        seed=config.seed,
        revision=", ".join(progress.revisions),
        seconds=progress.seconds,
        versions=installed_versions(),
        machine=this_machine(),
        training_counts=counts,
        hyperparameters=hyperparameters,
        learning_curve=_learning_curve(experiment.directory),
        valid=None if valid is None else split_metrics(split_outputs(classifier, prepare, valid), valid.labels, counts),
        test=split_metrics(outputs, test.labels, counts),
        test_predictions=split_predictions(outputs, test.labels),
    )
    if fabric.is_global_zero:
        _save_classifier(experiment, run, result, classifier)
        save_result(experiment.results, result)  # last: whoever finds it takes the run for finished
    return result


def _refuse_to_replace_another_run(experiment: Experiment, hyperparameters: dict[str, Any], counts: dict[str, int] | None = None) -> None:
    """A result, and a shipped checkpoint, are replaced only by the same run done again."""
    config = experiment.config
    planned = planned_choices(config, hyperparameters, counts)
    result = result_path(experiment.results, config.method, experiment.dataset, experiment.imbalance, config.seed)
    if result.is_file():
        refuse_to_replace(result, load_result(result), planned, "choose another --results, or move that file away")
    if experiment.ship_to is not None and (shipped := checkpoint_path(experiment.ship_to, config.method)).is_file():
        there = read_checkpoint(shipped).metadata
        refuse_to_replace(shipped, there, planned, f"rename it, say to {config.method}_{there.epochs}, to keep both")


def _training_faces(experiment: Experiment) -> FaceSet:
    faces = load_labelled_faces(experiment.dataset, experiment.data, "train")
    return _limited(thin_to_protocol(faces, experiment.dataset, experiment.imbalance), experiment.limit)


def _measured_faces(experiment: Experiment, split: str) -> FaceSet:
    return _limited(load_labelled_faces(experiment.dataset, experiment.data, split), experiment.limit)


def _limited(faces: FaceSet, limit: int | None) -> FaceSet:
    """``limit`` faces, taken from every class in turn as long as it has any: the first 250 faces of FERPlus show no disgust."""
    if limit is None:
        return faces
    turns = torch.zeros_like(faces.labels)
    for label in range(len(EXPRESSIONS)):
        members = faces.labels == label
        turns[members] = torch.arange(int(members.sum()))
    return faces.subset(turns.argsort(stable=True)[:limit].sort().values)


def _fit(experiment: Experiment, run: Run, valid: FaceSet | None, fabric: Fabric, resume: bool) -> Progress:
    total = run.steps_per_epoch * experiment.config.epochs
    seen = run.faces.subset(torch.linspace(0, len(run.faces) - 1, min(CURVE_FACES, len(run.faces))).long())
    with tqdm(total=total, unit="step", desc=experiment.directory.name, disable=not fabric.is_global_zero, mininterval=5) as bar:

        def on_step(progress: Progress, losses: dict[str, float]) -> None:
            done = progress.epoch * run.steps_per_epoch + progress.step
            if bar.n == 0:
                bar.initial = done  # steps from before a kill count for the position, not for the speed
            bar.n = done
            bar.set_postfix({"epoch": progress.epoch + 1, **{name: f"{value:.3f}" for name, value in losses.items()}})

        def on_epoch(_epoch: int, method: Method) -> dict[str, Any]:
            learnt = split_logits(method.inference(), seen, experiment.config.input_size).argmax(1) == seen.labels
            train = {"overall": learnt.float().mean().item()}
            if valid is None:
                return {"train": train}
            point = learning_curve_point(method.inference(), valid, experiment.config.input_size)
            accuracies = f"train {train['overall']:.4f}, valid overall {point['overall']:.4f}, mean {point['mean']:.4f}"
            tqdm.write(f"{experiment.directory.name}: {accuracies}")
            return {"train": train, "valid": point}

        return fit(run, fabric, experiment.directory, resume, on_step, on_epoch)


def recorded_hyperparameters(config: TrainingConfig, teachers: Sequence[Checkpoint], processes: int) -> dict[str, Any]:
    """What is recorded of a run's choices; its ``parts`` are those of a batch, over all processes."""
    chosen = asdict(config) | {"parts": config.parts * processes}
    recorded = {
        name: chosen[name] for name in ("lr", "weight_decay", "precision", "parts", "resnet18_weights", "augmentation", "optimizer")
    }
    return recorded | {"teachers": digests(teachers) or None, "settings": asdict(config.method_settings())}


def _learning_curve(directory: Path) -> tuple[dict[str, Any], ...]:
    """The log's entries at the ends of epochs; an epoch done again after a kill counts once."""
    return tuple({entry["epoch"]: entry for entry in read_log(directory) if entry.get("finished")}.values())


def _save_classifier(experiment: Experiment, run: Run, result: RunResult, classifier: ExpressionClassifier) -> None:
    splits = {"valid": result.valid, "test": result.test}
    metadata = CheckpointMetadata(
        method=result.method,
        network=result.network,
        tails=run.method.tails,
        head="positional" if isinstance(classifier.head, PositionalHead) else "pooled",
        dataset=result.dataset,
        imbalance=result.imbalance,
        classes=EXPRESSIONS,
        training_counts=result.training_counts,
        minor_classes=MINOR_CLASSES,
        input_size=result.input_size,
        colour="grey" if run.faces.images.ndim == 3 else "rgb",
        geometry=experiment.geometry,
        seed=result.seed,
        epochs=result.epochs,
        hyperparameters=result.hyperparameters | {"batch": result.batch},
        metrics={name: None if split is None else split.model_dump(mode="json") for name, split in splits.items()},
        revision=result.revision,
    )
    save_checkpoint(experiment.directory / CHECKPOINT_FILE, classifier, metadata)
    if experiment.ship_to is not None:
        ship_checkpoint(experiment.ship_to, classifier, metadata)
