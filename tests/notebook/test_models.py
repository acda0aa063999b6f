"""``load``, ``explain`` and ``figure``: the service's answers as objects, of pictures as programs have them."""

from __future__ import annotations

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from app.choices import FigureFormat
from app.drawing.figure import draw_figure
from app.errors import ErrorCode, Problem
from app.explaining.explanation import Explanation
from app.notebook.models import LoadedModel, Models, figure, load
from app.notebook.show import show
from app.samples import sample_pictures
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


def test_models_of_one_name_and_what_is_none_are_refused(random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))
    model = load(random_checkpoints / "baseline.safetensors")
    other = load(shutil.copy(random_checkpoints / "mek_sf.safetensors", tmp_path / "baseline.safetensors"))
    other_ours = replace(other, checkpoint=replace(other.checkpoint, name="mek_sf", sha256=""))
    refused: list[Models] = [[model, model], [model, other], [], ["ours", other_ours]]
    for models in refused:
        with pytest.raises(InputError, match="each with a name of its own"):
            figure(HOPPER, models)
    with pytest.raises(InputError, match=r"a model is what load gives, or the name of a checkpoint; .*baseline\.safetensors'\) is neither"):
        figure(HOPPER, random_checkpoints / "baseline.safetensors")  # type: ignore[arg-type]


def test_one_model_and_those_of_a_generator_are_drawn_as_those_of_a_list(model: LoadedModel) -> None:
    expected = figure(HOPPER, [model], "svg")
    assert figure(HOPPER, model, "svg") == expected
    assert figure(HOPPER, (model for _ in range(1)), "svg") == expected


def test_what_there_is_to_know_of_a_picture_is_warned_of_at_the_call(model: LoadedModel) -> None:
    small = np.asarray(Image.open(HOPPER).resize((18, 18)))
    face = np.full((64, 64, 3), 128, np.uint8)
    face[:18, :18] = small
    with pytest.warns(UserWarning, match="low_resolution_face") as told:
        model.explain(face, (0, 0, 18, 18))
    (warning,) = told
    assert str(warning.message) == "The face is very small in the picture: its expression is guesswork. (low_resolution_face)"
    assert warning.filename == __file__


def test_as_many_faces_are_explained_as_are_asked_for(model: LoadedModel) -> None:
    crowd = sample_pictures()["crowd"]
    every = model.explain(crowd)
    (largest,) = model.explain(crowd, faces=1)
    assert len(every) > 1
    np.testing.assert_allclose(largest.maps.maps, every[0].maps.maps, rtol=1e-3, atol=1e-3)  # batches of other sizes
    for faces in (0, 9, 2.0):
        with pytest.raises(Problem, match=r"^invalid_parameter: faces is a whole number from 1 to 8"):
            model.explain(crowd, faces=faces)  # type: ignore[arg-type]


def test_faces_beyond_the_most_that_are_explained_are_told_of(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.notebook.models.MAX_FACES", 2)
    with pytest.warns(UserWarning, match=r"^5 faces were found, and the 2 largest are explained, the most that ever are\.$"):
        model.explain(sample_pictures()["crowd"], faces=2)


def test_an_array_and_a_pillow_image_are_explained_as_their_file_is(model: LoadedModel) -> None:
    (expected,) = model.explain(HOPPER)
    image = Image.open(HOPPER)
    for picture in (np.asarray(image), image, Path(HOPPER).read_bytes()):
        (face,) = model.explain(picture)
        np.testing.assert_array_equal(face.maps.maps, expected.maps.maps)


def test_a_face_says_where_it_is_and_can_be_asked_for_again(model: LoadedModel) -> None:
    crowd = sample_pictures()["crowd"]
    for face in model.explain(crowd, faces=2):
        left, top, width, height = face.box
        assert face.source == "detected" and face.score is not None and 0.5 < face.score <= 1
        assert face.landmarks is not None
        assert all(left < x < left + width and top < y < top + height for x, y in face.landmarks.values())
        (again,) = model.explain(crowd, face.crop)
        assert (again.source, again.score, again.landmarks) == ("given", None, None)
        np.testing.assert_array_equal(again.grey, face.grey)
        np.testing.assert_allclose(again.maps.logits, face.maps.logits, rtol=1e-3, atol=1e-3)  # batches of other sizes


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
