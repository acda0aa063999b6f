"""One experiment from data to shipped file: load, train, measure on both splits, record, and, if asked, ship."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from tqdm import tqdm

from model.checkpoints import CheckpointMetadata, save_checkpoint
from model.classifier import ExpressionClassifier, PositionalHead
from model.data.ferplus import FaceSet, load_ferplus
from model.data.imbalance import thin_to_protocol
from model.data.rafdb import load_rafdb
from model.evaluation import learning_curve_point, split_metrics, split_outputs
from model.expressions import EXPRESSIONS, MINOR_CLASSES
from model.geometry import ferplus_geometry
from model.methods.base import Method
from model.results import RunResult, SplitMetrics, installed_versions, save_result, this_machine
from model.revision import code_revision
from model.shipping import renew_manifest
from model.training import Run, TrainingConfig, fit, launch_fabric, prepare_run
from model.training_state import LOG_FILE, Progress

CHECKPOINT_FILE = "checkpoint.safetensors"
VALIDATION_SPLITS = {"ferplus": "valid", "rafdb": None}  # RAF-DB has only train and test


@dataclass(frozen=True)
class Experiment:
    """A training config, the data it sees, and where its files go."""

    config: TrainingConfig
    dataset: str
    data: Path
    imbalance: str
    directory: Path
    results: Path
    ship_to: Path | None
    limit: int | None
    command: str


def load_faces(dataset: str, data: Path, split: str) -> FaceSet:
    """A split of a dataset by name.

    Raises:
        DatasetError: the data is not there; the message says what is expected.
    """
    return load_ferplus(data, split) if dataset == "ferplus" else load_rafdb(data, split)


def run_experiment(experiment: Experiment, resume: bool) -> RunResult:
    """Train to the end, measure, record, ship.

    Raises:
        Interrupted: asked to stop; the state is saved.
        DatasetError, StateError, ValueError: wrong input; the message says what to do.
    """
    revision = code_revision()  # of the code that trains, even if files change while it runs
    config = experiment.config
    fabric = launch_fabric(config.precision)
    train = _training_faces(experiment)
    valid_split = VALIDATION_SPLITS[experiment.dataset]
    valid = None if valid_split is None else _measured_faces(experiment, valid_split)
    run = prepare_run(config, train)
    seconds = _fit(experiment, run, valid, fabric, resume)
    classifier = run.method.inference()
    counts = dict(zip(EXPRESSIONS, train.counts(), strict=True))
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
        revision=revision,
        seconds=seconds,
        versions=installed_versions(),
        machine=this_machine(),
        training_counts=counts,
        hyperparameters=_hyperparameters(run),
        learning_curve=tuple(_learning_curve(experiment.directory)),
        valid=None if valid is None else _measure(classifier, valid, config.input_size, counts),
        test=_measure(classifier, _measured_faces(experiment, "test"), config.input_size, counts),
    )
    if fabric.is_global_zero:
        save_result(experiment.results, result)
        _save_classifier(experiment, run, result, classifier)
    return result


def _training_faces(experiment: Experiment) -> FaceSet:
    faces = load_faces(experiment.dataset, experiment.data, "train").labelled()
    if experiment.limit is not None:
        faces = faces.subset(torch.arange(experiment.limit))
    return thin_to_protocol(faces, experiment.dataset, experiment.imbalance)


def _measured_faces(experiment: Experiment, split: str) -> FaceSet:
    faces = load_faces(experiment.dataset, experiment.data, split).labelled()
    return faces if experiment.limit is None else faces.subset(torch.arange(experiment.limit))


def _fit(experiment: Experiment, run: Run, valid: FaceSet | None, fabric: Fabric, resume: bool) -> float:
    total = run.steps_per_epoch * experiment.config.epochs
    with tqdm(total=total, unit="step", desc=experiment.directory.name, disable=not fabric.is_global_zero, mininterval=5) as bar:

        def on_step(progress: Progress, losses: dict[str, float]) -> None:
            bar.n = progress.epoch * run.steps_per_epoch + progress.step
            bar.set_postfix({"epoch": progress.epoch + 1, **{name: f"{value:.3f}" for name, value in losses.items()}})

        def on_epoch(_epoch: int, method: Method) -> dict[str, Any]:
            if valid is None:
                return {}
            point = learning_curve_point(method.inference(), valid, experiment.config.input_size)
            tqdm.write(f"{experiment.directory.name}: valid overall {point['overall']:.4f}, mean {point['mean']:.4f}")
            return {"valid": point}

        return fit(run, fabric, experiment.directory, resume, on_step, on_epoch)


def _hyperparameters(run: Run) -> dict[str, Any]:
    chosen = asdict(run.config)
    recorded = {name: chosen[name] for name in ("lr", "weight_decay", "precision", "parts", "resnet18_weights")}
    return recorded | {"settings": asdict(run.method.settings)}


def _learning_curve(directory: Path) -> list[dict[str, Any]]:
    """The log's entries at the ends of epochs; an epoch done again after a kill counts once."""
    entries = [json.loads(line) for line in (directory / LOG_FILE).read_text().splitlines()]
    return list({entry["epoch"]: entry for entry in entries if entry.get("finished")}.values())


def _measure(classifier: ExpressionClassifier, faces: FaceSet, input_size: int, counts: dict[str, int]) -> SplitMetrics:
    return split_metrics(split_outputs(classifier, faces, input_size), faces.labels, counts)


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
        geometry=ferplus_geometry(),
        seed=result.seed,
        epochs=result.epochs,
        hyperparameters=result.hyperparameters | {"batch": result.batch},
        metrics={name: None if split is None else split.model_dump(mode="json") for name, split in splits.items()},
        revision=result.revision,
    )
    save_checkpoint(experiment.directory / CHECKPOINT_FILE, classifier, metadata)
    if experiment.ship_to is not None:
        save_checkpoint(experiment.ship_to / f"{result.method}.safetensors", classifier, metadata)
        renew_manifest(experiment.ship_to)
