"""``load``, ``explain`` and ``figure``: the service's answers as objects, of pictures as programs have them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from app.choices import FigureFormat
from app.drawing.figure import draw_figure
from app.errors import ErrorCode, Problem
from app.explaining.explanation import Explanation
from app.notebook.models import LoadedModel, figure, load
from app.notebook.show import show
from model.errors import InputError
from model.expressions import EXPRESSIONS
from tests.browser.driving import HOPPER


@pytest.fixture
def model(random_checkpoints: Path) -> LoadedModel:
    return load(random_checkpoints / "mek_sf.safetensors")


def test_a_loaded_model_explains_with_the_identity_of_exact_maps(model: LoadedModel) -> None:
    async def cell() -> tuple[Explanation, ...]:
        return model.explain(HOPPER)

    (face,) = asyncio.run(cell())  # as a notebook calls it: with an event loop running
    assert face.predicted in EXPRESSIONS and set(face.consistency) == set(EXPRESSIONS)
    np.testing.assert_allclose(face.maps.maps.mean((2, 3)) + face.maps.bias, face.maps.logits, atol=1e-5)


def test_the_figure_is_that_of_the_service(random_checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))
    drawn = figure(HOPPER, [load(random_checkpoints / f"{name}.safetensors") for name in ("baseline", "mek_sf")])
    assert drawn == draw_figure(show(HOPPER, ("baseline", "mek_sf")).explained, FigureFormat.PNG)


def test_figures_drawn_from_several_threads_are_those_of_one_and_leave_the_user_s_settings(model: LoadedModel) -> None:
    settings = dict(matplotlib.rcParams)
    alone = {name: figure(HOPPER, [model], name) for name in ("svg", "pdf")}
    with ThreadPoolExecutor(4) as pool:
        drawn = [(name, pool.submit(figure, HOPPER, [model], name)) for name in ("svg", "pdf") * 4]
        assert all(future.result() == alone[name] for name, future in drawn)
    assert dict(matplotlib.rcParams) == settings


def test_a_format_that_is_none_is_refused_before_anything_is_explained(model: LoadedModel) -> None:
    with pytest.raises(ValueError, match="no figure is drawn as 'jpg': choose one of png, svg, pdf"):
        figure("absent.jpg", [model], "jpg")


def test_models_of_one_name_are_refused(random_checkpoints: Path) -> None:
    model = load(random_checkpoints / "baseline.safetensors")
    for models in ([model, model], []):
        with pytest.raises(InputError, match="each with a name of its own"):
            figure(HOPPER, models)


def test_an_array_and_a_pillow_image_are_explained_as_their_file_is(model: LoadedModel) -> None:
    (expected,) = model.explain(HOPPER)
    image = Image.open(HOPPER)
    for picture in (np.asarray(image), image, Path(HOPPER).read_bytes()):
        (face,) = model.explain(picture)
        np.testing.assert_array_equal(face.maps.maps, expected.maps.maps)


def test_a_crop_is_that_of_the_rest_api(model: LoadedModel) -> None:
    face = np.zeros((120, 160, 3), np.uint8)
    face[10:110, 20:120] = np.random.default_rng(1).integers(0, 255, (100, 100, 3))
    with pytest.raises(Problem) as refused:
        model.explain(face)
    assert refused.value.code is ErrorCode.NO_FACE
    (boxed,), (alone,) = model.explain(face, (20, 10, 100, 100)), model.explain(face[10:110, 20:120], "whole")
    np.testing.assert_array_equal(boxed.maps.maps, alone.maps.maps)
    with pytest.raises(Problem, match=r"^invalid_parameter: crop is detect, whole or x,y,w,h"):
        model.explain(face, (20, 10, 5, 5))
