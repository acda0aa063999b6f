"""``unturned certify`` end to end on a network of random weights: three files where the service looks; refusals in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import main
from model.certifying.regions import PROTOTYPES, expression_area
from model.certifying.report import SECTIONS, certificate_path, load_certificate
from model.expressions import EXPRESSIONS
from model.reference import save_checkpoint
from tests.made_checkpoints import make_metadata, quarter_geometry, random_classifier
from tests.made_ferplus import write_ferplus
from tests.made_imports import write_random_import

# grad-cam hands tensors to NumPy functions
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")

FACES = 2 * len(EXPRESSIONS)


@pytest.fixture(scope="module")
def made_ferplus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two test faces of noise for each expression."""
    return write_ferplus(tmp_path_factory.mktemp("ferplus"), test=FACES)


@pytest.mark.slow
def test_a_certificate_is_written_where_the_service_looks(made_ferplus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = tmp_path / "baseline.safetensors"
    save_checkpoint(checkpoint, random_classifier(0), make_metadata("baseline").model_copy(update={"geometry": quarter_geometry()}))
    assert main(["certify", str(checkpoint), "--data", str(made_ferplus), "--faces", str(FACES)]) == 0
    path = certificate_path(checkpoint)
    certificate = load_certificate(path)
    assert [file.name for file in sorted(path.parent.iterdir())] == ["baseline.html", "baseline.json", "baseline.pdf"]
    assert (certificate.checkpoint, certificate.maps, certificate.faces) == ("baseline", "exact", FACES)
    assert certificate.faces_by_class == dict.fromkeys(EXPRESSIONS, 2)
    areas = {line.key: line.note for line in certificate.lines if line.section == "plausibility"}  # of the faces measured
    for name in PROTOTYPES:
        assert f": {expression_area(name).mean():.0%} of the crop" in areas[f"region_{name}"]
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(certificate.lines) + 1 and printed[-1].startswith(f"Of {sum(certificate.counts().values())} lines")


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["torchvision", "dan"])  # exact maps, and integrated gradients
def test_an_import_gets_every_line(recipe: str, made_ferplus: Path, tmp_path: Path) -> None:
    model = write_random_import(recipe, tmp_path)
    checkpoint = tmp_path / f"{model.name}.safetensors"
    assert main(["certify", str(checkpoint), "--data", str(made_ferplus), "--faces", str(FACES), "--threads", "1"]) == 0
    certificate = load_certificate(certificate_path(checkpoint))
    assert (certificate.sha256, certificate.maps) == (model.sha256, model.metadata.maps)
    assert {line.section for line in certificate.lines} == set(SECTIONS)
    judged = [line for line in certificate.lines if line.section != "plausibility"]  # of which a map without positive evidence has none
    assert all(line.figure.value is not None and line.chance.value is not None for line in judged)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--faces", "13"], "--faces 13: at least 14 are needed, two of each expression"),
        (["--seed", "-1"], "--seed must be 0 or more and below 2**63, not -1"),
        (["--seed", "9223372036854775808"], "--seed must be 0 or more and below 2**63, not 9223372036854775808"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is(
    arguments: list[str], reason: str, made_ferplus: Path, random_checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(random_checkpoints / "baseline.safetensors")
    assert main(["certify", checkpoint, "--data", str(made_ferplus), *arguments, "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"unturned: {reason}"
    assert list(tmp_path.iterdir()) == []


def test_beside_a_checkpoint_that_is_not_there_no_folder_is_made(
    made_ferplus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certify", str(tmp_path / "model" / "cca.safetensors"), "--data", str(made_ferplus)]) == 2
    assert "cca.safetensors: cannot be read" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
