"""What the published checkpoints are: which network, which names its tensors have in the file, and how its input was made.

Everything here was read in the repositories' own code; none was tried on a file that its authors published.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from model.data.rafdb import RAF_ORDER
from model.errors import InputError
from model.importing.layouts.base import PublishedNetwork
from model.importing.layouts.dan import Dan
from model.importing.layouts.ddamfn import Ddamfn
from model.importing.layouts.onnx_graph import OnnxNetwork
from model.importing.layouts.poster import DEPTHS, Poster
from model.importing.layouts.poster_v2 import PosterV2
from model.importing.layouts.resemotenet import ResEmoteNet
from model.importing.layouts.residual import TORCHVISION_RESNETS, EacResNet, RulNetwork, TorchvisionResNet
from model.importing.layouts.swin import MekSwin, torchvision_name
from model.importing.layouts.timm_models import TimmNetwork
from model.importing.metadata import Colour, Triple
from model.networks.resnet18 import IMAGENET_MEAN, IMAGENET_STD

AFFECTNET_ORDER = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
RESEMOTENET_ORDER = ("happiness", "surprise", "sadness", "anger", "disgust", "fear", "neutral")

IMAGENET = (IMAGENET_MEAN, IMAGENET_STD)
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Recipe:
    """How to read one repository's checkpoints.

    ``architectures`` names what the recipe builds, its default first; empty where a name must be given. ``rename`` gives a tensor's name
    in the network for its name in the file. ``classifier``: the tensor whose rows are the classes, empty where that depends on the
    architecture. ``lookalikes``: recipes with tensors of the same names and shapes, which load strictly and compute something else.
    """

    network: type[PublishedNetwork]
    architectures: tuple[str, ...]
    rename: Callable[[str], str]
    classifier: str
    classes: tuple[str, ...]
    input_size: int = 224
    colour: Colour = "rgb"
    mean: Triple = IMAGENET[0]
    std: Triple = IMAGENET[1]
    lookalikes: tuple[str, ...] = ()


def _resnet_name(name: str) -> str:
    """``fc`` may stand in a Sequential behind a dropout; the stages may have the numbers of a Sequential."""
    return f"net.{re.sub(r'^fc[.][0-9][.]', 'fc.', _stage_name(name))}"


def _stage_name(name: str) -> str:
    numbered = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
    if found := re.fullmatch(r"features\.([014567])\.(.*)", name):
        return f"{numbered[found.group(1)]}.{found.group(2)}"
    return name


def _rul_name(name: str) -> str:
    layers = {"mu.0.": "mu.norm_in.", "mu.3.": "mu.linear.", "mu.4.": "mu.norm_out."}
    if name.startswith("features."):
        return f"net.{_stage_name(name)}"
    return layers[name[:5]] + name[5:] if name[:5] in layers else name


def _dan_name(name: str) -> str:
    return f"net.{_stage_name(name)}" if name.startswith("features.") else name


def _ddamfn_name(name: str) -> str:
    name = re.sub(r"^cat_head(\d)[.]CoordAtt[.]", r"heads.\1.", re.sub(r"^features[.]", "net.", name))
    return name.replace(".CA.", ".attention.").replace("Linear_h.", "row.").replace("Linear_w.", "column.").replace("Linear.", "whole.")


def _poster_name(name: str) -> str:
    return name.removeprefix("head.") if name.startswith("head.linear.") else name


def _poster_v2_name(name: str) -> str:
    """IR-50's three stages are one sequence here; the transformer's last layer is the network's."""
    if stage := re.match(r"ir_back[.]body([123])[.](\d+)[.]", name):
        block = int(stage.group(2)) + (0, 3, 7)[int(stage.group(1)) - 1]
        return f"ir_back.body.{block}.{name[stage.end() :]}"
    name = re.sub(r"^embed_v[.]proj[.]", "embed_v.0.", re.sub(r"^VIT[.]head[.]linear[.]", "linear.", name))
    return re.sub(r"^VIT[.]", "transformer.", name)


def _timm_name(name: str) -> str:
    return f"net.{name}"


def _same_name(name: str) -> str:
    return name


RECIPES: Mapping[str, Recipe] = {
    "torchvision": Recipe(
        TorchvisionResNet,
        TORCHVISION_RESNETS,
        _resnet_name,
        "net.fc.weight",
        RAF_ORDER,
        lookalikes=("eac",),
    ),
    "timm": Recipe(TimmNetwork, (), _timm_name, "", RAF_ORDER),
    "rul": Recipe(RulNetwork, ("resnet18",), _rul_name, "fc.weight", RAF_ORDER),
    "eac": Recipe(EacResNet, ("resnet50",), _resnet_name, "net.fc.weight", RAF_ORDER, lookalikes=("torchvision",)),
    "mek": Recipe(MekSwin, ("swin_t",), torchvision_name, "net.head.weight", RAF_ORDER, 112, mean=HALF[0], std=HALF[1]),
    "dan": Recipe(Dan, ("resnet18",), _dan_name, "fc.weight", RAF_ORDER),
    "resemotenet": Recipe(ResEmoteNet, ("resemotenet",), _same_name, "fc4.weight", RESEMOTENET_ORDER, 64, "grey"),
    "ddamfn": Recipe(Ddamfn, ("ddamfn++",), _ddamfn_name, "fc.weight", AFFECTNET_ORDER, 112),
    "poster": Recipe(Poster, tuple(DEPTHS), _poster_name, "linear.weight", RAF_ORDER, colour="bgr"),
    # the rows of the confusion matrix in its repository (models/matrix.py) count RAF-DB's test faces in this order
    "poster_v2": Recipe(PosterV2, ("poster_v2",), _poster_v2_name, "linear.weight", RAF_ORDER),
    "onnx": Recipe(OnnxNetwork, ("graph",), _same_name, "weight", RAF_ORDER),
}


def find_recipe(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        InputError: unknown; the message lists the known ones.
    """
    if name not in RECIPES:
        raise InputError(f"unknown recipe {name!r}: choose one of {', '.join(RECIPES)}")
    return RECIPES[name]


def network_tensors(recipe: Recipe, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The file's tensors under the network's names, without those that evaluation does not read.

    Raises:
        InputError: two would have one name, as where a head has more layers than the network's.
    """
    renamed: dict[str, str] = {}
    for name in sorted(published):
        if not recipe.network.dropped(name):
            taken = renamed.setdefault(recipe.rename(name), name)
            if taken != name:
                raise InputError(f"the tensors {taken} and {name} would both be the network's {recipe.rename(name)}: it has fewer layers")
    return {new: published[name] for new, name in renamed.items()}
