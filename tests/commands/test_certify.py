"""``unturned certify`` end to end on a network of random weights: three files where the service looks; refusals in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import main
from model.certifying.report import certificate_path, load_certificate
from model.data.ferplus import VOTE_COLUMNS, VOTES_FILE
from model.expressions import EXPRESSIONS

# grad-cam hands tensors to NumPy functions
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")

FACES = 2 * len(EXPRESSIONS)


@pytest.fixture(scope="module")
def made_ferplus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two test faces of noise for each expression, in the form of FERPlus."""
    folder = tmp_path_factory.mktemp("ferplus")
    (folder / "FER2013Test").mkdir()
    random = np.random.default_rng(1)
    rows = [",".join(["Usage", "Image name", *VOTE_COLUMNS])]
    for number in range(FACES):
        name, label = f"fer{number:07}.png", EXPRESSIONS[number % len(EXPRESSIONS)]
        coarse = random.integers(0, 256, (8, 8), dtype=np.uint8)
        cv2.imwrite(str(folder / "FER2013Test" / name), cv2.resize(coarse, (48, 48)))
        rows.append(",".join(["PrivateTest", name, *("10" if column == label else "0" for column in VOTE_COLUMNS)]))
    (folder / VOTES_FILE).write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.slow
def test_a_certificate_is_written_where_the_service_looks(
    made_ferplus: Path, random_checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = tmp_path / "baseline.safetensors"
    shutil.copy(random_checkpoints / "baseline.safetensors", checkpoint)
    assert main(["certify", str(checkpoint), "--data", str(made_ferplus), "--faces", str(FACES)]) == 0
    path = certificate_path(checkpoint)
    certificate = load_certificate(path)
    assert [file.name for file in sorted(path.parent.iterdir())] == ["baseline.html", "baseline.json", "baseline.pdf"]
    assert (certificate.checkpoint, certificate.maps, certificate.faces) == ("baseline", "exact", FACES)
    assert certificate.faces_by_class == dict.fromkeys(EXPRESSIONS, 2)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(certificate.lines) + 1 and printed[-1].startswith(f"Of {sum(certificate.counts().values())} lines")


def test_too_few_faces_are_refused_before_anything_is_measured(
    made_ferplus: Path, random_checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(random_checkpoints / "baseline.safetensors")
    assert main(["certify", checkpoint, "--data", str(made_ferplus), "--faces", "13", "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "unturned: --faces 13: at least 14 are needed, two of each expression"
    assert list(tmp_path.iterdir()) == []
