"""How a published file is to be read, and whether its tensors are what that says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from model.errors import InputError, one_line
from model.expressions import EXPRESSIONS
from model.importing.imported import InputLayer, Misfit, filled_network
from model.importing.layouts.base import PublishedNetwork
from model.importing.layouts.timm_models import timm_classifier
from model.importing.metadata import (
    CONTEMPT,
    LARGEST_DEVIATION,
    LARGEST_MEAN,
    SMALLEST_DEVIATION,
    SMALLEST_FACE,
    Colour,
    Triple,
)
from model.importing.recipes import RECIPES, find_recipe, network_tensors
from model.networks import LARGEST_INPUT, SMALLEST_INPUT
from model.preprocessing import resized

BATCH = 32
NO_RECIPE = "for a network without a recipe of its own there are --recipe timm, if timm has it, and --recipe onnx, if you export it"


@dataclass(frozen=True)
class Reading:
    """A recipe with what the user said otherwise.

    ``classes`` are the file's, in its order; ``face_size`` the side of its training faces in pixels; ``mean`` and ``std`` of channels in
    0..1, in the network's order of them.

    Raises:
        InputError: one of them is nothing that an imported checkpoint can have; the message names the option that says otherwise.
    """

    recipe: str
    architecture: str
    classes: tuple[str, ...]
    colour: Colour
    input_size: int
    face_size: int
    mean: Triple
    std: Triple

    def __post_init__(self) -> None:
        if not SMALLEST_INPUT <= self.input_size <= LARGEST_INPUT:
            raise InputError(f"--size is {SMALLEST_INPUT} to {LARGEST_INPUT} pixels, not {self.input_size}")
        if set(self.classes) - {CONTEMPT} != set(EXPRESSIONS) or len(set(self.classes)) != len(self.classes):
            raise InputError(
                f"--classes names {', '.join(EXPRESSIONS)} in the file's order, each once, and {CONTEMPT} where the file has it; not "
                f"{', '.join(self.classes)}"
            )
        if not SMALLEST_FACE <= self.face_size <= LARGEST_INPUT:
            raise InputError(
                f"training faces (--face-size, else the probe's) have {SMALLEST_FACE} to {LARGEST_INPUT} pixels a side, not "
                f"{self.face_size}: say with --face-size how many they had"
            )
        if not all(-LARGEST_MEAN <= value <= LARGEST_MEAN for value in self.mean):
            raise InputError(f"--mean is of channels in 0..1, not {_listed(self.mean)}: divide one of 0..255 by 255")
        if not all(SMALLEST_DEVIATION <= value <= LARGEST_DEVIATION for value in self.std):
            raise InputError(
                f"--std is of channels in 0..1, which it divides, not {_listed(self.std)}: divide one of 0..255 by 255; 1,1,1 is none"
            )


def read_tensors(reading: Reading, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The file's tensors under the network's names, as many classes as are named.

    Raises:
        InputError: the tensors are another network's; the message names the recipes they would fit, or those that take many networks.
    """
    recipe = find_recipe(reading.recipe)
    tensors = network_tensors(recipe, published)
    broken = next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), None)
    if broken is not None:
        raise InputError(f"tensor {broken} holds NaN or infinity: the training that wrote the file had failed; take an earlier one")
    rows = tensors.get(recipe.classifier or timm_classifier(reading.architecture))
    count = rows.shape[0] if rows is not None and rows.ndim else len(reading.classes)  # a single number is told below, as a misfit
    if count not in (len(EXPRESSIONS), len(EXPRESSIONS) + 1):
        raise InputError(
            f"the file has {count} classes, and only the seven expressions can be imported, with or without {CONTEMPT}: of more, first cut "
            "the rows of the others out of it"
        )
    if count != len(reading.classes):
        raise InputError(
            f"the file has {count} classes, and {len(reading.classes)} are named: name them in the file's order with --classes"
        )
    try:
        filled_network(reading.recipe, reading.architecture, len(reading.classes), tensors)
    except Misfit as error:
        fitting = fitting_recipes(published, len(reading.classes))
        advice = f"they are those of: {fitting}" if fitting else NO_RECIPE
        raise InputError(f"{error}; {advice}") from error
    return {name: tensor if tensor.dtype == torch.uint8 else tensor.float() for name, tensor in tensors.items()}


def fitting_recipes(published: Mapping[str, Tensor], classes: int) -> str:
    """The recipes whose networks have tensors of just these names and shapes, as arguments; empty where there are none."""
    found = []
    for name, recipe in RECIPES.items():
        try:
            tensors = {key: tensor.shape for key, tensor in network_tensors(recipe, published).items()}
        except InputError:
            continue
        for architecture in recipe.architectures:
            with torch.device("meta"):
                network = recipe.network(architecture, classes)
            wanted = {key: value.shape for key, value in network.state_dict().items() if not network.dropped(key)}
            if wanted == tensors:
                found.append(f"--recipe {name} --architecture {architecture}")
    return ", ".join(found)


@torch.inference_mode()
def published_logits(network: PublishedNetwork, reading: Reading, faces: Tensor) -> Tensor:
    """Logits ``(N, K)`` in the file's order, as its authors compute them.

    Args:
        network: filled.
        faces: ``(N, 3, face_size, face_size)`` uint8 RGB.

    Raises:
        InputError: the network takes no input of that size.
    """
    prepare = InputLayer(reading.colour, reading.mean, reading.std)
    parts = [prepare(resized(part.float(), reading.input_size)) for part in torch.split(faces, BATCH)]
    try:
        return torch.cat([network.logits(part) for part in parts])
    except RuntimeError as error:
        reason = one_line(error)[:200]
        raise InputError(f"{reading.architecture} takes no input of {reading.input_size} pixels ({reason}): give --size") from error


def _listed(values: Triple) -> str:
    return ",".join(f"{value:g}" for value in values)
