"""What an answer says of the models it was asked of, beside their explanations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.detection.asked_crop import Crop
from app.explaining.explainer import Explainer
from app.explaining.loading import load_file
from app.explaining.local_service import LocalService
from app.explaining.options import ExplainOptions
from app.explaining.pipeline import OTHER_FRAMING, SAME_NETWORK
from model.reference import save_checkpoint
from tests.made_checkpoints import make_checkpoint, make_metadata, quarter_geometry, random_classifier


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """``plain``, a ``copy`` of its file, and one that was ``framed`` otherwise in training."""
    folder = tmp_path_factory.mktemp("models")
    make_checkpoint(folder / "plain.safetensors", 1, method="baseline")
    (folder / "copy.safetensors").write_bytes((folder / "plain.safetensors").read_bytes())
    framed = make_metadata("mek_sf").model_copy(update={"geometry": quarter_geometry()})
    save_checkpoint(folder / "framed.safetensors", random_classifier(2), framed)
    names = ("plain", "copy", "framed")
    loaded = {name: load_file(folder / f"{name}.safetensors", None, 1) for name in names}
    checkpoints, predictors = {name: loaded[name][0] for name in names}, {name: loaded[name][1] for name in names}
    explainer = Explainer(checkpoints, "framed", predictors)
    with LocalService(explainer) as running:
        yield running


@pytest.mark.parametrize(
    ("names", "crop", "expected"),
    [
        (["plain"], "detect", ()),
        (["plain", "copy"], "detect", (SAME_NETWORK,)),
        (["plain", "framed"], "detect", (OTHER_FRAMING,)),
        (["framed", "plain"], "detect", (OTHER_FRAMING,)),
        (["plain", "framed"], (180.0, 60.0, 100.0, 100.0), ()),
    ],
)
def test_models_that_do_not_differ_or_cannot_share_a_crop_are_told_of(
    names: list[str], crop: Crop, expected: tuple[str, ...], service: LocalService, astronaut_jpeg: bytes
) -> None:
    picture = service.explain(astronaut_jpeg, service.resolve(names), ExplainOptions(crop=crop))
    assert picture.warnings == expected
