"""Pages of the models: all of them, and the card of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.errors import ErrorCode, Problem
from app.explaining.service import service_of
from app.numbers import decimal, percent
from app.pages.certificates import certified
from app.pages.imported_card import imported_card, imported_summary
from app.pages.strengths import strengths
from app.pages.templating import PageRoute, render
from model.checkpoints import Checkpoint, CheckpointMetadata, plain_twins
from model.expressions import EXPRESSIONS
from model.importing.metadata import ImportedCheckpoint, ImportedMetadata
from model.methods.settings import PLAIN
from model.tables.layout import faces_title

if TYPE_CHECKING:
    from app.explaining.explainer import Explainer

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SPLITS = {"test": "Test faces", "valid": "Validation faces"}
OWN_NAMES = {"ferplus": {"test": "PrivateTest", "valid": "PublicTest"}}  # a data set's own names of its splits
SHADES = 10

SUMMARIES = {
    "baseline": "The plain classifier: cross-entropy and nothing else.",
    "cb": "Class-balanced loss: a face of a less frequent class counts for more, by the effective number of faces of its class.",
    "scn": "Self-cure network: faces it finds uncertain weigh less in training, and the label of some is changed.",
    "bbn": "Bilateral-branch network: one branch sees the faces as they come, one mostly minor classes, which gain weight over the run.",
    "rul": "Relative uncertainty learning: it is trained on mixtures of two faces, weighted by how uncertain it finds each.",
    "soft": "Soft labels: beside the label it learns from the smoothed prediction of an average of its own past weights.",
    "eac": "Erasing attention consistency: the maps of a face, part of it erased, must agree with those of the mirror image.",
    "mek": "Mine Extra Knowledge with the paper's loss: the maps of all classes must agree with those of the mirror image.",
    "mek_sf": "Mine Extra Knowledge in a scale-free form: the maps' agreement is a correlation, which faint maps do not satisfy.",
    "cac": "Contrastive consistency: the maps of a face must be those of its mirror image, and of no other face.",
    "votes": "Trained on how the annotators' votes for a face are shared out, where the other methods see the majority's label alone.",
    "mek_votes": "Mine Extra Knowledge, whose targets start from the annotators' votes instead of the majority's label.",
}


@router.get("/models")
async def models(request: Request) -> Response:
    """All checkpoints with their headline numbers."""
    explainer = service_of(request).loaded_pipeline().explainer
    cards = [_headline(name, checkpoint.metadata) for name, checkpoint in explainer.checkpoints.items()]
    return render(request, "models.html", {"section": "/models", "models": cards, "ours": explainer.ours})


@router.get("/models/{name}")
async def model_card(request: Request, name: str) -> Response:
    """One checkpoint's card, training counts, metrics and confusion matrices."""
    explainer = service_of(request).loaded_pipeline().explainer
    checkpoint = explainer.find(name)
    if checkpoint is None:
        raise Problem(ErrorCode.MODEL_NOT_FOUND, "The page Models lists those there are.")
    if isinstance(checkpoint, ImportedCheckpoint):
        card = imported_card(checkpoint.name, checkpoint.metadata, checkpoint.sha256)
    else:
        card = _card(checkpoint.name, checkpoint.metadata, checkpoint.sha256) | {"strengths": _strengths(explainer, checkpoint)}
    card["certificate"] = certified(service_of(request).settings, checkpoint)
    return render(request, "model.html", {"section": "/models", "model": card, "ours": explainer.ours, "classes": EXPRESSIONS})


def _headline(name: str, metadata: CheckpointMetadata | ImportedMetadata) -> dict[str, Any]:
    if isinstance(metadata, ImportedMetadata):
        return {"name": name, "summary": imported_summary(metadata), "test": None}
    test = metadata.metrics.get("test")
    return {"name": name, "summary": _summary(metadata), "length": _length(metadata), "test": _split(test) if test else None}


def _card(name: str, metadata: CheckpointMetadata, sha256: str) -> dict[str, Any]:
    grid = metadata.grid
    facts = [
        ("Method", metadata.method),
        ("Network", f"{metadata.network}, input {metadata.input_size} × {metadata.input_size} pixels"),
        ("Maps", f"cell centres at {grid.first} + {grid.step} i of {grid.input} pixels"),
        ("Training faces", faces_title(metadata.dataset, metadata.imbalance)),
        ("Training", _length(metadata)),
        ("Minor classes", ", ".join(metadata.minor_classes)),
        ("Code", metadata.revision),
        ("File", f"sha256 {sha256}"),
        ("Intended use", "Research on what classifiers look at. Not for judging employees, applicants, pupils or anybody else."),
        ("Limits", _limits(metadata)),
    ]
    present = [split for split in SPLITS if metadata.metrics.get(split)]
    return {
        "name": name,
        "summary": _summary(metadata),
        "facts": facts,
        "minor_classes": metadata.minor_classes,
        "counts": [(expression, metadata.training_counts[expression]) for expression in metadata.classes],
        "hyperparameters": _settings(metadata.hyperparameters),
        "splits": [_split(metadata.metrics[split]) | {"title": _split_title(metadata.dataset, split)} for split in present],
    }


def _length(metadata: CheckpointMetadata) -> str:
    return f"{metadata.epochs} epoch{'' if metadata.epochs == 1 else 's'}, seed {metadata.seed}"


def _limits(metadata: CheckpointMetadata) -> str:
    faces = f"{'Grey' if metadata.colour == 'grey' else 'Colour'} faces of {metadata.face_size} × {metadata.face_size} pixels"
    rarest = sorted(metadata.classes, key=metadata.training_counts.__getitem__)[:2]
    return f"{faces}, labelled from the picture alone; few faces of {' and '.join(rarest)}."


def _split_title(dataset: str, split: str) -> str:
    own_name = OWN_NAMES.get(dataset, {}).get(split)
    return SPLITS[split] if own_name is None else f"{SPLITS[split]} ({own_name})"


def _strengths(explainer: Explainer, checkpoint: Checkpoint) -> str | None:
    """What the model is good and bad at; None where it was not measured."""
    test = checkpoint.metadata.metrics.get("test")
    return strengths(test, _plain_peer(explainer, checkpoint)) if test else None


def _plain_peer(explainer: Explainer, checkpoint: Checkpoint) -> tuple[str, Mapping[str, Any]] | None:
    """Name and test figures of the plain model to compare with: its twin, else the baseline. None for plain training itself."""
    if checkpoint.metadata.method == PLAIN:
        return None
    own = {name: other.metadata for name, other in explainer.checkpoints.items() if isinstance(other, Checkpoint)}
    peer = plain_twins(own).get(checkpoint.name, PLAIN)
    compared = own[peer].metrics.get("test") if peer in own and own[peer].dataset == checkpoint.metadata.dataset else None
    return (peer, compared) if compared else None


def _settings(hyperparameters: dict[str, Any]) -> list[tuple[str, Any]]:
    """Hyperparameters by name, the method's own after the shared ones; teachers by their names, and nothing of what a run did without."""
    own, teachers = hyperparameters.get("settings"), hyperparameters.get("teachers")
    shared = sorted((name, value) for name, value in hyperparameters.items() if name not in {"settings", "teachers"} and value is not None)
    if teachers:
        shared.append(("teachers", ", ".join(teachers)))
    return shared + (sorted(own.items()) if isinstance(own, dict) else [])


def _summary(metadata: CheckpointMetadata) -> str:
    return SUMMARIES.get(metadata.method, f"Trained by the method {metadata.method}.")


def _split(metrics: dict[str, Any]) -> dict[str, Any]:
    """A split's figures as text; parts that were not measured are left out."""
    flip = metrics.get("flip_consistency") or {}
    by_class = flip.get("per_class") or {}
    confusion = [
        {
            "name": name,
            "cells": [{"count": count, "shade": min(SHADES - 1, SHADES * count // max(sum(row), 1))} for count in row],
            "accuracy": percent(metrics["per_class"][name]),
            "flip": decimal(by_class.get(name)),
        }
        for name, row in zip(EXPRESSIONS, metrics.get("confusion") or (), strict=False)
    ]
    intervals = metrics.get("intervals") or {}
    return {
        "overall": percent(metrics["overall"], intervals.get("overall")),
        "mean": percent(metrics["mean"], intervals.get("mean")),
        "flip": decimal(flip["mean"]) if flip else None,
        "faces": metrics.get("faces"),
        "confusion": confusion,
    }
