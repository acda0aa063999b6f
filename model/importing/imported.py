"""Imported checkpoints: safetensors files as those of :mod:`model.checkpoints`, whose networks other people defined and trained.

The file holds the published tensors as they were, under the names of :mod:`model.importing.layouts`; how they are to be read is in its
metadata. It is checked as every file is, and must give the logits for the golden image that it gave when it was imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from model.checkpoints import (
    GOLDEN_TOLERANCE,
    CheckpointError,
    finite_tensors,
    golden_image,
    metadata_text,
    read_model_file,
)
from model.errors import InputError, make_folder, one_line
from model.files.atomic_write import replace_file
from model.files.first_error import first_error
from model.importing.integrated import ImportedClassifier, IntegratedHead
from model.importing.layouts.base import FeatureLayers, PublishedNetwork
from model.importing.metadata import Colour, ImportedCheckpoint, ImportedMetadata, Triple, is_import
from model.importing.recipes import find_recipe
from model.networks.backbone import prepare_for_inference
from model.preprocessing import network_input, resized
from model.reference import ReferenceCheckpoint, load_checkpoint

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV and Pillow turn colours grey


@dataclass(frozen=True)
class ImportedModel(ImportedCheckpoint):
    """A loaded import: as a :class:`model.reference.ReferenceCheckpoint`, with other metadata."""

    classifier: ImportedClassifier


ServedModel = ReferenceCheckpoint | ImportedModel


class InputLayer(nn.Module):
    """From RGB in 0..255, as every network here is given it, to what a published network was trained on: ``(N, 3, S, S)`` in and out."""

    mean: Tensor
    std: Tensor
    luma: Tensor

    def __init__(self, colour: Colour, mean: Triple, std: Triple) -> None:
        super().__init__()
        self.colour = colour
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        x = images / 255
        if self.colour == "bgr":
            x = x.flip(1)
        elif self.colour == "grey":
            x = (x * self.luma).sum(1, keepdim=True).expand(-1, 3, -1, -1)
        return (x - self.mean) / self.std


def load_model(path: Path) -> ServedModel:
    """A checkpoint of this project or an imported one, whichever the file is.

    Raises:
        CheckpointError: the file is missing, damaged, or not what its metadata says.
    """
    if not is_import(path):
        return load_checkpoint(path)
    data = read_model_file(path)
    text = metadata_text(path, data)
    try:
        metadata = ImportedMetadata.model_validate_json(text)
        tensors = {name: torch.from_numpy(tensor) for name, tensor in finite_tensors(path, data).items()}
        classifier = build_classifier(metadata, tensors)
    except ValidationError as error:
        raise CheckpointError(f"{path}: metadata: {first_error(error)}") from error
    except InputError as error:
        raise CheckpointError(f"{path}: {error}".replace(f"{path}: {path}: ", f"{path}: ")) from error
    gap = (imported_golden_logits(classifier, metadata.input_size) - torch.tensor(metadata.golden_logits)).abs().max().item()
    allowed = GOLDEN_TOLERANCE * max(1.0, *map(abs, metadata.golden_logits))
    if not gap <= allowed:
        raise CheckpointError(
            f"{path}: golden image gives logits {gap:.2g} away from those at its import (allowed {allowed:.2g}): import it again"
        )
    return ImportedModel(path.stem, metadata, hashlib.sha256(data).hexdigest(), classifier)


def save_imported(path: Path, tensors: Mapping[str, Tensor], metadata: ImportedMetadata) -> None:
    """Write an imported checkpoint.

    Raises:
        FileError: it cannot be written.
    """
    make_folder(path.parent)
    data = save({name: tensor.contiguous() for name, tensor in tensors.items()}, {"unturned": metadata.model_dump_json()})
    replace_file(path, data)


def build_classifier(metadata: ImportedMetadata, tensors: Mapping[str, Tensor]) -> ImportedClassifier:
    """The classifier of tensors under the layouts' names, in evaluation mode, frozen.

    Raises:
        InputError: a tensor is missing, is one too many, or has another shape.
    """
    network = filled_network(metadata.recipe, metadata.architecture, len(metadata.published_classes), tensors)
    return classifier_of(network, metadata)


class Misfit(InputError):
    """The tensors of a file are not those of the network they were to fill."""


def filled_network(recipe: str, architecture: str, classes: int, tensors: Mapping[str, Tensor]) -> PublishedNetwork:
    """A published network with its weights, in evaluation mode.

    Raises:
        Misfit: the tensors are another network's.
        InputError: as :func:`build_classifier`.
    """
    known = find_recipe(recipe)
    if known.architectures and architecture not in known.architectures:
        raise InputError(f"the recipe {recipe} has no architecture {architecture}, but {', '.join(known.architectures)}")
    network = known.network(architecture, classes)
    kept = {name: value for name, value in network.state_dict().items() if network.dropped(name)}
    misfit = f"the tensors do not fit {architecture} of the recipe {recipe}: "
    try:
        missing, unexpected = network.load_state_dict({**tensors, **kept}, strict=False)
    except RuntimeError as error:  # of other shapes
        raise Misfit(f"{misfit}{one_line(error)[:600]}") from error
    if missing or unexpected:
        raise Misfit(f"{misfit}it needs {_first(missing)}; the file has {_first(unexpected)} besides")
    return network.eval().requires_grad_(False)


def _first(names: Sequence[str]) -> str:
    """The first of some tensors' names, and how many more there are."""
    return "no others" if not names else names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def classifier_of(network: PublishedNetwork, metadata: ImportedMetadata) -> ImportedClassifier:
    """A filled network behind the input that its metadata asks for."""
    head = network.head(torch.tensor(metadata.order), metadata.input_size)
    layers = nn.Sequential(InputLayer(metadata.colour, metadata.mean, metadata.std), FeatureLayers(network))
    classifier = ImportedClassifier(layers, head).eval().requires_grad_(False)
    if network.foldable:
        prepare_for_inference(layers)
    return classifier


def has_exact_maps(classifier: ImportedClassifier) -> bool:
    """Whether each logit is the mean of its map plus the bias, whatever the face."""
    return not isinstance(classifier.head, IntegratedHead)


@torch.no_grad()
def imported_golden_logits(classifier: ImportedClassifier, input_size: int) -> Tensor:
    """Logits ``(L,)`` of :func:`model.checkpoints.golden_image`."""
    return classifier.logits(network_input(torch.from_numpy(golden_image()), input_size))[0]


def dataset_input(model: ServedModel, images: Tensor) -> Tensor:
    """A data set's faces as a model's network takes them: ``(N, 3, S, S)`` float32 RGB in 0..255.

    First at the size of its training faces, as an upload is cut, so that a face is no sharper than those; then at its input's.

    Args:
        images: uint8, grey ``(N, H, H)`` or RGB ``(N, 3, H, H)``.
    """
    metadata = model.metadata
    channels = images.unsqueeze(1) if images.ndim == 3 else images
    faces = resized(channels.float(), metadata.face_size)
    if isinstance(metadata, ImportedMetadata):
        return resized(faces, metadata.input_size).expand(-1, 3, -1, -1)
    if metadata.colour == "grey" and faces.shape[1] == 3:  # a network of grey faces was never fed another
        faces = (faces * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return network_input(faces, metadata.input_size)
