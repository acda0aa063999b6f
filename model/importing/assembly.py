"""From a file's tensors and how they are to be read to an imported checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.geometry import ferplus_geometry
from model.importing.imported import (
    ImportedModel,
    classifier_of,
    filled_network,
    has_exact_maps,
    imported_golden_logits,
    load_model,
    save_imported,
)
from model.importing.integrated import ImportedClassifier
from model.importing.layouts.base import PublishedNetwork
from model.importing.metadata import ImportedMetadata, ProbeRecord
from model.importing.reading import Reading, published_logits
from model.preprocessing import resized

CHECKED_CELLS = (4, 16)  # of the noise, a picture each
MOST_IDENTITY_ERROR = 1e-4  # of an exact map, beside the largest logit


def write_import(path: Path, source: bytes, tensors: Mapping[str, Tensor], reading: Reading, probe: ProbeRecord | None) -> ImportedModel:
    """Write ``path`` and load it again.

    Args:
        path: ``NAME.safetensors`` in the folder that the server will read.
        source: the published file's bytes.
        tensors: of :func:`model.importing.reading.read_tensors`.
        probe: None for an unchecked import.

    Raises:
        InputError: the network answers nothing finite, its maps are not what they are said to be, or the file cannot be written.
    """
    network = filled_network(reading.recipe, reading.architecture, len(reading.classes), tensors)
    grid = network.grid(reading.input_size)
    draft = ImportedMetadata(
        recipe=reading.recipe,
        architecture=reading.architecture,
        published_classes=reading.classes,
        colour=reading.colour,
        input_size=reading.input_size,
        face_size=reading.face_size,
        mean=reading.mean,
        std=reading.std,
        maps="exact",
        identity_error=0.0,
        golden_logits=(0.0,) * len(EXPRESSIONS),
        grid_first=grid.first,
        grid_step=grid.step,
        geometry=ferplus_geometry(),
        source_sha256=hashlib.sha256(source).hexdigest(),
        probe=probe,
    )
    expected = _answers(network, reading)  # before BatchNorm is folded
    classifier = classifier_of(network, draft)
    exact, error = has_exact_maps(classifier), _identity_error(classifier, draft, expected)
    if exact and not error <= MOST_IDENTITY_ERROR:
        raise InputError(f"the maps miss the logits by {error:.2g}, so at {reading.input_size} pixels it is not the network of its recipe")
    golden = imported_golden_logits(classifier, draft.input_size)
    changes = {
        "maps": "exact" if exact else "approximate",
        "identity_error": error,
        "golden_logits": tuple(golden.tolist()),
    }
    save_imported(path, tensors, draft.model_copy(update=changes))
    loaded = load_model(path)
    assert isinstance(loaded, ImportedModel)
    return loaded


def checked_faces(side: int) -> Tensor:
    """Pictures without meaning, ``(N, 3, side, side)`` uint8: noise at several scales."""
    generator = torch.Generator().manual_seed(0)
    coarse = [torch.rand(1, 3, cells, cells, generator=generator) * 255 for cells in CHECKED_CELLS]
    faces = [F.interpolate(noise, size=(side, side), mode="bilinear") for noise in coarse]
    return torch.cat(faces).round().to(torch.uint8)


def _answers(network: PublishedNetwork, reading: Reading) -> Tensor:
    """Logits of :func:`checked_faces` by the published network, in the order of the expressions."""
    logits = published_logits(network, reading, checked_faces(reading.face_size))
    if not logits.isfinite().all():
        raise InputError("the network answers numbers that are not finite: the training that wrote the file had failed")
    return logits[:, [reading.classes.index(name) for name in EXPRESSIONS]]


@torch.inference_mode()
def _identity_error(classifier: ImportedClassifier, metadata: ImportedMetadata, expected: Tensor) -> float:
    """Largest difference of the mean of a map plus bias from the published logit, over the largest such logit."""
    images = resized(checked_faces(metadata.face_size).float(), metadata.input_size)
    maps = classifier(images).maps
    grid = metadata.grid
    if maps.shape[2:] != (grid.cells, grid.cells):
        raise InputError(f"the map has {maps.shape[2]} x {maps.shape[3]} cells where its grid has {grid.cells}: use another --size")
    gap = (maps.mean((2, 3)) + classifier.head.bias - expected).abs().max()
    return float(gap / expected.abs().max().clamp(min=1e-6))
