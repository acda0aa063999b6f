"""Published checkpoints made for tests: each repository's own envelope around random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from model.data.rafdb import RAF_ORDER
from model.expressions import EXPRESSIONS
from model.geometry import ferplus_geometry
from model.importing.assembly import write_import
from model.importing.imported import ImportedModel, InputLayer, filled_network
from model.importing.metadata import ImportedMetadata
from model.importing.onnx_file import onnx_tensors
from model.importing.probe_faces import ProbeFaces
from model.importing.reading import Reading, read_tensors
from model.importing.recipes import IMAGENET, RECIPES, network_tensors
from model.preprocessing import resized


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Statistics and weights such that no BatchNorm is the identity and features differ between faces and cells."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            module.weight.data.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(0.0, 0.1, generator=generator)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            if module.affine:
                module.weight.data.uniform_(0.5, 1.0, generator=generator)
                module.bias.data.normal_(0.0, 0.1, generator=generator)
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0.0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    return network.eval().requires_grad_(False)


def normalised(recipe: str, x: Tensor) -> Tensor:
    """RGB in 0..255 as the recipe's authors feed it."""
    known = RECIPES[recipe]
    x = x / 255
    if known.colour == "grey":
        x = (0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]).expand(-1, 3, -1, -1)
    if known.colour == "bgr":
        x = x[:, [2, 1, 0]]
    return (x - torch.tensor(known.mean).view(1, 3, 1, 1)) / torch.tensor(known.std).view(1, 3, 1, 1)


def images(count: int, size: int, seed: int = 1) -> Tensor:
    """Faces' stand-ins, ``(count, 3, size, size)`` RGB in 0..255, all channels different."""
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 255


def _torchvision() -> dict[str, Tensor]:
    from torchvision.models import resnet18

    return randomise(resnet18(num_classes=7)).state_dict()


def _timm() -> dict[str, Tensor]:
    import timm

    return randomise(timm.create_model("resnet18", pretrained=False, num_classes=7)).state_dict()


def _numbered(network: Any) -> dict[str, Tensor]:
    """A ResNet without its head, as ``Sequential(*children)`` names it."""
    return nn.ModuleDict({"features": nn.Sequential(*list(network.children())[:-2])}).state_dict()


def _rul() -> dict[str, Tensor]:
    from torchvision.models import resnet18

    def branch() -> nn.Sequential:
        layers = (nn.BatchNorm2d(512, 2e-5, affine=False), nn.Dropout(0.4), nn.Flatten(), nn.Linear(25088, 64), nn.BatchNorm1d(64, 2e-5))
        return nn.Sequential(*layers)

    parts = nn.ModuleDict({"mu": branch(), "log_var": branch(), "fc": nn.Linear(64, 7)})
    return _numbered(randomise(resnet18())) | randomise(parts, 1).state_dict()


def _eac() -> dict[str, Tensor]:
    from torchvision.models import resnet50

    return _numbered(randomise(resnet50())) | randomise(nn.ModuleDict({"fc": nn.Linear(2048, 7)}), 1).state_dict()


def _mek() -> dict[str, Tensor]:
    """timm's Swin under the names of the Swin Transformer's authors, with what MEK's encoder holds besides."""
    import timm

    made = randomise(timm.create_model("swin_tiny_patch4_window7_224", pretrained=False, num_classes=7, img_size=112, patch_size=2))
    state: dict[str, Tensor] = {}
    for name, tensor in made.state_dict().items():
        if name.startswith(("norm.", "head.")):
            state[name.replace("head.fc.", "head.")] = tensor
            continue
        stage = name.split(".")[1]
        earlier = name.replace(f"layers.{stage}.", f"layers.{int(stage) - 1}.") if ".downsample." in name else name
        state[f"encoder.{earlier}"] = tensor
    return state


def _dan() -> dict[str, Tensor]:
    from torchvision.models import resnet18

    from model.importing.layouts.dan import Dan

    top = {name: tensor for name, tensor in randomise(Dan("resnet18", 7), 1).state_dict().items() if not name.startswith("net.")}
    return _numbered(randomise(resnet18())) | top


def _resemotenet() -> dict[str, Tensor]:
    from model.importing.layouts.resemotenet import ResEmoteNet

    return randomise(ResEmoteNet("resemotenet", 7)).state_dict()


def _ddamfn() -> dict[str, Tensor]:
    """Our build's tensors under the repository's names, with those that it keeps and does not call."""
    from model.importing.layouts.ddamfn import Ddamfn

    state: dict[str, Tensor] = {"bn.weight": torch.ones(7), "features.2.conv_dw.prelu.weight": torch.ones(128)}
    theirs = {"net.": "features.", ".attention.": ".CA.", "row.": "Linear_h.", "column.": "Linear_w.", "whole.": "Linear."}
    for name, tensor in randomise(Ddamfn("ddamfn++", 7)).state_dict().items():
        renamed = name.replace("heads.0.", "cat_head0.CoordAtt.").replace("heads.1.", "cat_head1.CoordAtt.")
        for ours, original in theirs.items():
            renamed = renamed.replace(ours, original)
        state[renamed] = tensor
    return state | {"cat_head0.CoordAtt.Linear.conv.weight": torch.ones(512, 1, 7, 7)}


def _poster() -> dict[str, Tensor]:
    """Our build's tensors under the repository's names, with those that it keeps and does not read."""
    from model.importing.layouts.poster import Poster

    network = Poster("large", 7)
    nn.init.normal_(network.pyramid_fuse.pos_embed, 0, 0.5)
    state = {f"head.{name}" if name.startswith("linear.") else name: tensor for name, tensor in randomise(network).state_dict().items()}
    idle = ("pyramid_fuse.cls_token", "ir_back.output_layer.0.weight", "face_landback.output_layer.linear.weight")
    return state | {name: torch.ones(1) for name in idle}


def _poster_v2() -> dict[str, Tensor]:
    """Our build's tensors under the repository's names, with those that it keeps and does not read."""
    from model.importing.layouts.poster_v2 import PosterV2

    network = randomise(PosterV2("poster_v2", 7))
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.LayerNorm | nn.PReLU):
            module.weight.data.uniform_(0.2, 0.6, generator=generator)
        if isinstance(module, nn.LayerNorm):
            module.bias.data.normal_(0, 0.1, generator=generator)
    theirs = {"transformer.": "VIT.", "linear.": "VIT.head.linear.", "embed_v.0.": "embed_v.proj."}
    for stage, first, after in ((1, 0, 3), (2, 3, 7), (3, 7, 21)):
        theirs |= {f"ir_back.body.{block}.": f"ir_back.body{stage}.{block - first}." for block in range(first, after)}
    state: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if name.endswith(("pos_embed", "cls_token", "relative_position_bias_table", "gamma1", "gamma2")):
            tensor.normal_(0, 0.5, generator=generator)
        start = next((ours for ours in theirs if name.startswith(ours)), "")
        state[theirs.get(start, "") + name.removeprefix(start)] = tensor
    idle = ["VIT.patch_embed.proj.weight", "VIT.eca_block.conv.weight", "VIT.CON1.weight", "VIT.IRLinear1.bias", "VIT.blocks.1.conv.bias"]
    idle += ["attn1.relative_position_index", "ir_back.output_layer.0.weight", "face_landback.output_layer.linear.weight"]
    return state | {name: torch.ones(1) for name in idle}


def exported(network: nn.Module) -> bytes:
    """A network as ``torch.onnx.export`` writes it, for any number of pictures of any size."""
    side = torch.export.Dim("side", min=32, max=512)
    sizes = ({0: torch.export.Dim("pictures"), 2: side, 3: side},)
    program = torch.onnx.export(network, (torch.zeros(2, 3, 64, 64),), dynamo=True, verbose=False, dynamic_shapes=sizes)
    assert program is not None
    data: bytes = program.model_proto.SerializeToString()
    return data


def _onnx() -> dict[str, Tensor]:
    """The network of ``_torchvision``."""
    from torchvision.models import resnet18

    return onnx_tensors(Path("made.onnx"), exported(randomise(resnet18(num_classes=7))))


# Tensors of each recipe, under the names its repository gives them.
PUBLISHED: dict[str, Callable[[], dict[str, Tensor]]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "rul": _rul,
    "eac": _eac,
    "mek": _mek,
    "dan": _dan,
    "resemotenet": _resemotenet,
    "ddamfn": _ddamfn,
    "poster": _poster,
    "poster_v2": _poster_v2,
    "onnx": _onnx,
}


def make_metadata(recipe: str, state: Mapping[str, Tensor]) -> ImportedMetadata:
    """Metadata with the recipe's own values for a file's tensors."""
    known = RECIPES[recipe]
    architecture = known.architectures[0] if known.architectures else "resnet18"
    grid = filled_network(recipe, architecture, len(known.classes), network_tensors(known, state)).grid(known.input_size)
    return ImportedMetadata(
        recipe=recipe,
        architecture=architecture,
        published_classes=known.classes,
        colour=known.colour,
        input_size=known.input_size,
        face_size=100,
        mean=known.mean,
        std=known.std,
        maps="exact",
        identity_error=0.0,
        golden_logits=(0.0,) * 7,
        grid_first=grid.first,
        grid_step=grid.step,
        geometry=ferplus_geometry(),
        source_sha256="0" * 64,
        probe=None,
    )


def make_probe_folder(folder: Path, each: int = 6) -> Path:
    """Pictures of 48 x 48 that no colour order, order of classes or framing can be confused for another's: a coloured square for each
    expression, at a place and in a colour of its own, on noise."""
    generator = np.random.default_rng(3)
    for index, name in enumerate(EXPRESSIONS):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            picture = generator.integers(0, 60, (48, 48, 3), dtype=np.uint8)
            row, column = 6 * index, (11 * index) % 36
            picture[row : row + 12, column : column + 12] = PROBE_COLOURS[index]
            Image.fromarray(picture).save(folder / name / f"{number}.png")
    return folder


PROBE_COLOURS = ((250, 20, 20), (20, 20, 250), (20, 250, 20), (250, 200, 20), (20, 200, 250), (250, 20, 200), (140, 60, 10))


def fitted_state(recipe: str, architecture: str, faces: ProbeFaces, size: int) -> dict[str, Tensor]:
    """A random network whose last layer was fitted to the faces, rows in RAF-DB's order, under torchvision's names."""
    network = RECIPES[recipe].network(architecture, len(RAF_ORDER))
    randomise(network)
    reading = Reading(recipe, architecture, RAF_ORDER, "rgb", size, faces.side, *IMAGENET)
    net = network.net
    assert isinstance(net, nn.Module) and isinstance(net.fc, nn.Linear)
    given = resized(faces.at(reading.face_size).float(), size)
    with torch.no_grad():
        features = network.features(InputLayer("rgb", reading.mean, reading.std)(given)).mean((2, 3))
        rows = torch.tensor([RAF_ORDER.index(name) for name in EXPRESSIONS])[faces.labels]
        wanted = 10 * nn.functional.one_hot(rows, len(RAF_ORDER)).float()
        centre = features.mean(0)
        weight = torch.linalg.lstsq(features - centre, wanted - wanted.mean(0), driver="gelsd").solution.T
        net.fc.weight.copy_(weight)
        net.fc.bias.copy_(wanted.mean(0) - weight @ centre)
    return {name.removeprefix("net."): tensor.clone() for name, tensor in network.state_dict().items()}


# Pixels a side of a small input; RUL's and DDAMFN's layers on all cells and MEK's windows fit one size alone.
SMALL_INPUT = {"rul": 224, "mek": 112, "ddamfn": 112}


def write_random_import(recipe: str, folder: Path) -> ImportedModel:
    """Random weights of a recipe as ``RECIPE_raf``, unchecked; torchvision's is fed BGR."""
    known = RECIPES[recipe]
    architecture = next(iter(known.architectures), "resnet18")
    colour = "bgr" if recipe == "torchvision" else known.colour
    reading = Reading(recipe, architecture, known.classes, colour, SMALL_INPUT.get(recipe, 64), 100, known.mean, known.std)
    return write_import(folder / f"{recipe}_raf.safetensors", b"published", read_tensors(reading, PUBLISHED[recipe]()), reading, None)
