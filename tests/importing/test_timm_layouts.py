"""Networks of timm: whose maps are exact, where their cells lie, and which are refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from model.errors import InputError
from model.importing.imported import build_classifier
from model.importing.integrated import Head, IntegratedHead
from model.importing.recipes import RECIPES, network_tensors
from tests.made_imports import PUBLISHED, images, make_metadata, normalised, randomise


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_net", "list_models"),
        ("test_vit3", "class token"),
        ("test_vit4", "class token"),
        ("tf_efficientnet_b0", "Conv2dSame pads by the size of the input"),
    ],
)
def test_a_timm_model_without_a_pooled_linear_head_is_refused(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        RECIPES["timm"].network(name, 7)


def held_together(theirs: nn.Module, name: str, size: int) -> tuple[Head, float]:
    """The head of timm's network imported, and by how much the maps miss timm's own logits, as a share of the largest."""
    grid = RECIPES["timm"].network(name, 7).grid(size)
    changes = {"architecture": name, "input_size": size, "grid_first": grid.first, "grid_step": grid.step}
    metadata = make_metadata("timm", PUBLISHED["timm"]()).model_copy(update=changes)
    classifier = build_classifier(metadata, network_tensors(RECIPES["timm"], theirs.state_dict()))
    x = images(2, size)
    with torch.no_grad():
        expected = theirs(normalised("timm", x))[:, list(metadata.order)]
        logits, maps = classifier(x)
    largest = expected.abs().max().item()
    torch.testing.assert_close(logits, expected, atol=1e-4 * largest, rtol=0)
    assert maps.shape[2:] == (grid.cells, grid.cells) and maps.std((2, 3)).min() > 0
    return classifier.head, (maps.mean((2, 3)) + classifier.head.bias - expected).abs().max().item() / largest


# swin_t: a norm of each cell; test_vit2: tokens, one of which is no cell, and a norm of their mean; test_convnext: such a norm, of cells
@pytest.mark.parametrize(("name", "size"), [("swin_tiny_patch4_window7_224", 224), ("test_vit2", 160), ("test_convnext", 160)])
def test_maps_of_timms_transformers_that_average_their_cells_add_up(name: str, size: int) -> None:
    import timm

    theirs = randomise(timm.create_model(name, pretrained=False, num_classes=7))
    for module in theirs.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    head, error = held_together(theirs, name, size)
    assert error < 1e-5 and not isinstance(head, IntegratedHead)


# one token that is no cell, and two
@pytest.mark.parametrize(("name", "size"), [("test_vit", 160), ("deit_tiny_distilled_patch16_224", 224)])
def test_maps_of_timms_class_token_vits_add_up_about(name: str, size: int) -> None:
    import timm

    head, error = held_together(randomise(timm.create_model(name, pretrained=False, num_classes=7)), name, size)
    assert error < 0.1 and isinstance(head, IntegratedHead)


def test_a_timm_model_of_one_input_size_says_so() -> None:
    with pytest.raises(InputError, match=r"swin_tiny_patch4_window7_224 takes no input of 112 pixels.*give --size"):
        RECIPES["timm"].network("swin_tiny_patch4_window7_224", 7).logits(torch.zeros(1, 3, 112, 112))


# By hand: each unpadded pooling of two cells moves the first by half of their distance, in densenet121 2, 4 and 8 pixels; each unpadded
# window of three by their distance, in inception_v3 1, 2, 2, 4, 4, 8 and 16.
@pytest.mark.parametrize(
    ("name", "size", "first"),
    [
        ("swin_tiny_patch4_window7_224", 224, 15),
        ("convnext_atto", 224, 15),
        ("resnet18", 224, 0),
        ("efficientnet_b0", 224, 0),
        ("densenet121", 224, 14),
        ("inception_v3", 299, 37),
    ],
)
def test_the_cells_of_a_timm_model_are_where_its_grid_says(name: str, size: int, first: int) -> None:
    network = RECIPES["timm"].network(name, 7).eval()
    with torch.no_grad():
        features = network.features(torch.zeros(1, 3, size, size))
    grid = network.grid(size)
    assert features.shape[2:] == (grid.cells, grid.cells)
    assert grid.first == first
