"""Imported models beside this project's own, on the path that every answer takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from app.choices import MapMethod
from app.drawing.saved_maps import read_maps, save_maps
from app.explaining.explainer import Explainer
from app.explaining.loading import load_explainer
from app.explaining.maps import ExplainedFaces, FaceMaps
from app.pages.imported_card import imported_card
from app.settings import Settings
from model.checkpoints import CheckpointError
from model.importing.metadata import ImportedCheckpoint
from model.importing.recipes import RECIPES
from model.onnx.export import export_onnx
from model.onnx.graphs import INPUT_NAME
from model.onnx_session import open_session
from tests.made_imports import write_random_import


@pytest.fixture(scope="module")
def explainer(random_checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    folder = tmp_path_factory.mktemp("models")
    for recipe in RECIPES:
        write_random_import(recipe, folder)
    return load_explainer(Settings(checkpoint_dir=random_checkpoints, models=folder))


def pictures(side: int) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] / side
    return np.stack([255 * rows, 255 * columns, 80 + 0 * rows])[None].astype(np.uint8)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_served_beside_ours_with_the_kind_its_maps_are(explainer: Explainer, recipe: str) -> None:
    name = f"{recipe}_raf"
    (said,) = explainer.explain(np.full((1, 48, 48), 90, np.uint8), explainer.resolve(["ours", name]), cut=pictures)
    maps, kind = said[name].maps, "approximate" if recipe in {"dan", "resemotenet", "poster", "poster_v2"} else "exact"
    assert (said["ours"].maps.map_kind, maps.map_kind) == ("exact", kind)
    cells = maps.grid.cells
    assert maps.maps.shape == (2, 7, cells, cells) and np.ptp(maps.maps) > 0
    if kind == "exact":
        error = np.abs(maps.maps.mean((2, 3)) + maps.bias - maps.logits).max()
        assert error <= 1e-5 * np.abs(maps.logits).max()


def test_an_imported_model_sees_colours_at_its_own_size_and_its_exact_maps_add_up(explainer: Explainer) -> None:
    grey = np.full((1, 48, 48), 90, np.uint8)
    sides: list[int] = []

    def cut(side: int) -> np.ndarray:
        sides.append(side)
        return pictures(side)

    models = explainer.resolve(["baseline", "torchvision_raf"])
    (said,) = explainer.explain(grey, models, cut=cut)
    assert sides == [100]
    ours, theirs = said["baseline"].maps, said["torchvision_raf"].maps
    assert ours.maps.shape[2:] == (5, 5) and theirs.maps.shape[2:] == (2, 2)
    assert (ours.map_kind, theirs.map_kind) == ("exact", "exact")
    np.testing.assert_allclose(theirs.maps.mean((2, 3)) + theirs.bias, theirs.logits, atol=1e-4)
    (without,) = explainer.explain(grey, models)
    assert not np.allclose(without["torchvision_raf"].maps.logits, theirs.logits, atol=1e-2)
    np.testing.assert_array_equal(without["baseline"].maps.logits, ours.logits)


@pytest.mark.parametrize("method", [MapMethod.CAM, MapMethod.GRADCAM])
def test_approximate_maps_are_called_so_on_every_picture_and_file(explainer: Explainer, method: MapMethod) -> None:
    (said,) = explainer.explain(np.full((1, 48, 48), 90, np.uint8), explainer.resolve(["dan_raf"]), method, cut=pictures)
    maps = said["dan_raf"].maps
    assert maps.map_kind == "approximate" and maps.title == "dan_raf, approximate maps"
    assert np.isfinite(maps.maps).all() and np.ptp(maps.maps) > 0
    kept = read_maps(save_maps(ExplainedFaces((FaceMaps(np.zeros((48, 48), np.uint8), (maps,)),))))
    assert kept.faces[0].models[0].title == maps.title


def test_the_card_says_whose_network_it_is_and_that_it_was_not_probed(explainer: Explainer) -> None:
    model = explainer.checkpoints["dan_raf"]
    assert isinstance(model, ImportedCheckpoint) and not isinstance(explainer.checkpoints["baseline"], ImportedCheckpoint)
    card = imported_card("dan_raf", model.metadata, model.sha256)
    facts = dict(card["facts"])
    assert facts["Recipe"] == "dan, resnet18" and facts["Maps"].startswith("approximate") and "unchecked" in facts["Probe"]
    assert facts["Input"].startswith("64 × 64 pixels, rgb")


def test_exact_imports_export_and_approximate_ones_say_why_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="approximate and need gradients"):
        export_onnx(write_random_import("dan", tmp_path), tmp_path / "a.onnx")
    model = write_random_import("torchvision", tmp_path)
    export_onnx(model, tmp_path / "b.onnx")
    images = np.random.default_rng(0).uniform(0, 255, (3, 3, 64, 64)).astype(np.float32)
    logits, maps, _ = open_session((tmp_path / "b.onnx").read_bytes()).run(None, {INPUT_NAME: images})
    with torch.no_grad():
        expected = model.classifier(torch.from_numpy(images))
    np.testing.assert_allclose(logits, expected.logits.numpy(), atol=1e-3)
    np.testing.assert_allclose(maps, expected.maps.numpy(), atol=1e-3)


def test_a_damaged_import_stops_the_start_and_is_named(random_checkpoints: Path, tmp_path: Path) -> None:
    write_random_import("torchvision", tmp_path)
    path = tmp_path / "torchvision_raf.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"torchvision_raf\.safetensors: "):
        load_explainer(Settings(checkpoint_dir=random_checkpoints, models=tmp_path))


def test_bgr_is_rgb_with_its_channels_turned_round(tmp_path: Path) -> None:
    model = write_random_import("torchvision", tmp_path)
    images = torch.rand(2, 3, 64, 64) * 255
    layer = model.classifier.network[0]  # type: ignore[index]
    mean, std = torch.tensor(model.metadata.mean).view(3, 1, 1), torch.tensor(model.metadata.std).view(3, 1, 1)
    torch.testing.assert_close(layer(images), (images[:, [2, 1, 0]] / 255 - mean) / std)
