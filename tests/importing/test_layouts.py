"""Each layout against a build of the same network that shares no code with it, and its maps against its logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.errors import InputError
from model.importing.imported import build_classifier, filled_network
from model.importing.integrated import IntegratedHead
from model.importing.layouts.base import PublishedNetwork
from model.importing.layouts.poster import Poster
from model.importing.layouts.poster_v2 import PosterV2
from model.importing.metadata import ImportedMetadata
from model.importing.recipes import RECIPES, network_tensors
from model.networks import LARGEST_INPUT, SMALLEST_INPUT
from tests.independent_poster import poster_logits
from tests.independent_poster_v2 import poster_v2_logits
from tests.made_imports import PUBLISHED, images, make_metadata, normalised

State = Mapping[str, Tensor]


def norm(state: State, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, mean, variance, state.get(f"{name}.weight"), state.get(f"{name}.bias"), eps=eps)


def conv(state: State, name: str, x: Tensor, stride: int = 1, padding: int | tuple[int, int] = 0) -> Tensor:
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride, padding)


def linear(state: State, name: str, x: Tensor) -> Tensor:
    return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))


def basic_features(state: State, x: Tensor) -> Tensor:
    """ResNet-18 from its equations, with the names of a Sequential."""
    x = F.max_pool2d(norm(state, "features.1", conv(state, "features.0", x, 2, 3)).relu(), 3, 2, 1)
    for stage in (4, 5, 6, 7):
        for block in (0, 1):
            stride, at = (2 if stage > 4 and block == 0 else 1), f"features.{stage}.{block}"
            y = norm(state, f"{at}.bn1", conv(state, f"{at}.conv1", x, stride, 1)).relu()
            y = norm(state, f"{at}.bn2", conv(state, f"{at}.conv2", y, 1, 1))
            short = norm(state, f"{at}.downsample.1", conv(state, f"{at}.downsample.0", x, stride)) if stride == 2 else x
            x = (y + short).relu()
    return x


def caffe_features(state: State, x: Tensor) -> Tensor:
    """EAC's ResNet-50: strides in the first 1x1 convolution, pooling that starts at the edge and is rounded up."""
    x = norm(state, "features.1", conv(state, "features.0", x, 2, 3)).relu()
    x = F.max_pool2d(x, 3, 2, 0, ceil_mode=True)
    for stage, blocks in ((4, 3), (5, 4), (6, 6), (7, 3)):
        for block in range(blocks):
            stride, at = (2 if stage > 4 and block == 0 else 1), f"features.{stage}.{block}"
            y = norm(state, f"{at}.bn1", conv(state, f"{at}.conv1", x, stride)).relu()
            y = norm(state, f"{at}.bn2", conv(state, f"{at}.conv2", y, 1, 1)).relu()
            y = norm(state, f"{at}.bn3", conv(state, f"{at}.conv3", y))
            short = norm(state, f"{at}.downsample.1", conv(state, f"{at}.downsample.0", x, stride)) if block == 0 else x
            x = (y + short).relu()
    return x


def rul_logits(state: State, x: Tensor) -> Tensor:
    flat = norm(state, "mu.0", basic_features(state, x), 2e-5).flatten(1)
    return linear(state, "fc", norm(state, "mu.4", linear(state, "mu.3", flat), 2e-5))


def eac_logits(state: State, x: Tensor) -> Tensor:
    return linear(state, "fc", caffe_features(state, x).mean((2, 3)))


def dan_logits(state: State, x: Tensor) -> Tensor:
    features, heads = basic_features(state, x), []
    for head in range(4):
        at = f"cat_head{head}.sa"
        y = norm(state, f"{at}.conv1x1.1", conv(state, f"{at}.conv1x1.0", features))
        kinds = (("conv_3x3", (1, 1)), ("conv_1x3", (0, 1)), ("conv_3x1", (1, 0)))
        y = sum((norm(state, f"{at}.{kind}.1", conv(state, f"{at}.{kind}.0", y, 1, pad)) for kind, pad in kinds), torch.zeros(())).relu()
        pooled = (features * y.sum(1, keepdim=True)).mean((2, 3))
        at = f"cat_head{head}.ca.attention"
        narrow = norm(state, f"{at}.1", linear(state, f"{at}.0", pooled)).relu()
        heads.append(pooled * linear(state, f"{at}.3", narrow).sigmoid())
    return norm(state, "bn", linear(state, "fc", torch.stack(heads).log_softmax(0).sum(0)))


def resemotenet_logits(state: State, x: Tensor) -> Tensor:
    for number in "123":
        x = F.max_pool2d(norm(state, f"bn{number}", conv(state, f"conv{number}", x, 1, 1)).relu(), 2)
    x = x * linear(state, "se.fc.2", linear(state, "se.fc.0", x.mean((2, 3))).relu()).sigmoid()[:, :, None, None]
    for number in "123":
        at = f"res_block{number}"
        y = norm(state, f"{at}.bn1", conv(state, f"{at}.conv1", x, 2, 1)).relu()
        y = norm(state, f"{at}.bn2", conv(state, f"{at}.conv2", y, 1, 1))
        x = (y + norm(state, f"{at}.shortcut.1", conv(state, f"{at}.shortcut.0", x, 2))).relu()
    x = x.mean((2, 3))
    for number in "123":
        x = linear(state, f"fc{number}", x).relu()
    return linear(state, "fc4", x)


def torchvision_logits(state: State, x: Tensor) -> Tensor:
    from torchvision.models import resnet18

    net = resnet18(num_classes=7)
    net.load_state_dict(state)
    answer: Tensor = net.eval()(x)
    return answer


def timm_logits(state: State, x: Tensor) -> Tensor:
    import timm

    net = timm.create_model("resnet18", pretrained=False, num_classes=7)
    net.load_state_dict(state)
    answer: Tensor = net.eval()(x)
    return answer


def mek_logits(state: State, x: Tensor) -> Tensor:
    """timm's Swin, whose merging layers stand at the start of a stage instead of at the end of the one before."""
    import timm

    net = timm.create_model("swin_tiny_patch4_window7_224", pretrained=False, num_classes=7, img_size=112, patch_size=2)
    renamed = {}
    for name, tensor in state.items():
        short = name.removeprefix("encoder.").replace("head.", "head.fc.")
        if ".downsample." in short:
            stage = int(short.split(".")[1])
            short = short.replace(f"layers.{stage}.", f"layers.{stage + 1}.")
        renamed[short] = tensor
    net.load_state_dict(renamed, strict=True)
    answer: Tensor = net.eval()(x)
    return answer


def coordinate_attention(state: State, at: str, x: Tensor, learned: bool) -> Tensor:
    """Rows and columns summed up apart, each through the same narrow layer, and multiplied."""
    sums = []
    for name, axes in (("Linear_h", "nchw,cw->nch"), ("Linear_w", "nchw,ch->ncw")):
        if learned:
            kernel = state[f"{at}.{name}.conv.weight"].flatten(1)
            sums.append(norm(state, f"{at}.{name}.bn", torch.einsum(axes, x, kernel)))
        else:
            sums.append(x.mean(3 if name == "Linear_h" else 2))
    gates = []
    for name, values in zip(("conv2", "conv3"), sums, strict=True):
        y = norm(state, f"{at}.bn1", conv(state, f"{at}.conv1", values[..., None]))
        gates.append(conv(state, f"{at}.{name}", y * (y + 3).clamp(0, 6) / 6)[..., 0].sigmoid())
    return torch.einsum("nch,ncw->nchw", *gates)


def activated(state: State, at: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    weight = state[f"{at}.conv.weight"]
    y = norm(state, f"{at}.bn", F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups))
    return F.prelu(y, state[f"{at}.prelu.weight"])


def mixed_block(state: State, at: str, x: Tensor, stride: int) -> Tensor:
    wide, first, parts = activated(state, f"{at}.conv", x), 0, []
    for number in range(4):
        kernel = state.get(f"{at}.conv_dw.mixed_depthwise_conv.{number}.weight")
        if kernel is not None:
            part = wide[:, first : first + len(kernel)]
            parts.append(F.conv2d(part, kernel, stride=stride, padding=kernel.shape[-1] // 2, groups=len(kernel)))
            first += len(kernel)
    y = torch.cat(parts, 1)
    y = y * coordinate_attention(state, f"{at}.CA", y, learned=False)
    return norm(state, f"{at}.project.bn", conv(state, f"{at}.project.conv", y))


def ddamfn_logits(state: State, x: Tensor) -> Tensor:
    x = activated(state, "features.1", activated(state, "features.0", x, 2), groups=64)
    for number, blocks in ((2, 0), (3, 9), (4, 0), (5, 16), (6, 0), (7, 6)):
        if blocks == 0:
            x = mixed_block(state, f"features.{number}", x, 2)
        for block in range(blocks):
            x = x + mixed_block(state, f"features.{number}.model.{block}", x, 1)
    x = activated(state, "features.8", x)
    first, second = (coordinate_attention(state, f"cat_head{head}.CoordAtt", x, learned=True) for head in (0, 1))
    pooled = torch.einsum("nchw,chw->nc", x * torch.maximum(first, second), state["Linear.conv.weight"][:, 0])
    return linear(state, "fc", norm(state, "Linear.bn", pooled))


def onnx_logits(_state: State, x: Tensor) -> Tensor:
    """The network that was exported."""
    return torchvision_logits(PUBLISHED["torchvision"](), x)


INDEPENDENT: dict[str, Callable[[State, Tensor], Tensor]] = {
    "torchvision": torchvision_logits,
    "timm": timm_logits,
    "rul": rul_logits,
    "eac": eac_logits,
    "mek": mek_logits,
    "dan": dan_logits,
    "resemotenet": resemotenet_logits,
    "onnx": onnx_logits,
    "ddamfn": ddamfn_logits,
    "poster": poster_logits,
    "poster_v2": poster_v2_logits,
}
EXACT = {"torchvision", "timm", "rul", "eac", "mek", "onnx", "ddamfn"}


def built(recipe: str) -> tuple[State, ImportedMetadata]:
    state = PUBLISHED[recipe]()
    return state, make_metadata(recipe, state)


@pytest.mark.parametrize("recipe", RECIPES)
def test_logits_are_those_of_an_independent_build_and_the_maps_add_up_to_them(recipe: str) -> None:
    state, metadata = built(recipe)
    classifier = build_classifier(metadata, network_tensors(RECIPES[recipe], state))
    x = images(2, metadata.input_size)
    with torch.no_grad():
        expected = INDEPENDENT[recipe](state, normalised(recipe, x))[:, list(metadata.order)]
        prediction = classifier(x)
    scale = expected.abs().max().item()
    assert expected.std(0).max() > 1e-3 * scale  # the two pictures differ, so agreement means something
    torch.testing.assert_close(prediction.logits, expected, atol=1e-4 * scale, rtol=0)
    assert prediction.maps.shape[2:] == (metadata.grid.cells, metadata.grid.cells)
    error = (prediction.maps.mean((2, 3)) + classifier.head.bias - expected).abs().max().item() / scale
    assert isinstance(classifier.head, IntegratedHead) == (recipe not in EXACT)
    assert error < (1e-5 if recipe in EXACT else 0.1)  # integrated gradients add up as far as four points go


# cell 0's centre on an input of 224 pixels: POSTER's between 0, of the landmarks' cell, and 8, of IR-50's first two
@pytest.mark.parametrize(("network", "architecture", "first", "off"), [(Poster, "small", 4, 2), (PosterV2, "poster_v2", 0, 3)])
def test_posters_have_seven_cells_at_any_size(network: type[PublishedNetwork], architecture: str, first: int, off: int) -> None:
    built_once = network(architecture, 7)
    for size in range(SMALLEST_INPUT, LARGEST_INPUT + 1):
        grid = built_once.grid(size)
        assert grid.cells == 7, size
        assert all(abs(grid.centre(cell) - (first + 32 * cell) * size / 224) <= off for cell in range(7)), size


def test_posters_second_version_keeps_the_epsilon_of_each_norm() -> None:
    norms = {name: module.eps for name, module in PosterV2("poster_v2", 7).named_modules() if isinstance(module, nn.LayerNorm)}
    assert norms == {name: 1e-6 if name.startswith("transformer.") else 1e-5 for name in norms}


def test_eacs_tensors_fit_torchvisions_network_and_give_other_features() -> None:
    state, metadata = built("eac")
    tensors = network_tensors(RECIPES["eac"], state)
    x = normalised("eac", images(2, metadata.input_size))
    with torch.no_grad():
        right = filled_network("eac", "resnet50", 7, tensors).features(x)
        wrong = filled_network("torchvision", "resnet50", 7, tensors).features(x)
    assert right.shape == wrong.shape
    assert (right - wrong).norm() / right.norm() > 0.1
    torch.testing.assert_close(right, caffe_features(state, x), atol=1e-3 * right.abs().max().item(), rtol=0)


def test_tensors_of_another_network_are_refused_with_the_first_names() -> None:
    state, metadata = built("torchvision")
    tensors = network_tensors(RECIPES["torchvision"], state)
    tensors.pop("net.layer1.0.conv1.weight")
    with pytest.raises(InputError, match=r"resnet18 of the recipe torchvision.*layer1\.0\.conv1"):
        build_classifier(metadata, tensors)


def test_integrated_gradients_from_the_mean_are_the_exact_maps_of_a_pooled_linear_head() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(4, 7)
    layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    features = torch.rand(2, 4, 3, 3)
    with torch.inference_mode():
        maps = IntegratedHead(layers, (4, 3, 3), from_mean=True)(features).maps
    torch.testing.assert_close(maps, torch.einsum("lc,nchw->nlhw", linear.weight, features).detach(), atol=1e-5, rtol=0)


def test_integrated_gradients_of_an_affine_head_are_the_exact_maps() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(4 * 9, 7))
    features = torch.rand(2, 4, 3, 3)
    with torch.inference_mode():
        prediction = IntegratedHead(layers, (4, 3, 3))(features)
    affine = layers[1]
    assert isinstance(affine, nn.Linear)
    expected = 9 * torch.einsum("lchw,nchw->nlhw", affine.weight.view(7, 4, 3, 3), features)
    torch.testing.assert_close(prediction.maps, expected.detach(), atol=1e-5, rtol=0)
    torch.testing.assert_close(prediction.maps.mean((2, 3)) + affine.bias.detach(), prediction.logits, atol=1e-5, rtol=0)
