"""The floor beside a flip consistency: the measured figure for these very weights, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.explaining import mirror_floor as floors
from app.explaining.mirror_floor import mirror_floor
from app.settings import Settings
from model.certifying.report import Line, certificate_path, save_certificate
from model.claims.report import CLAIMS_FILE, ClaimsReport, load_claims, save_claims
from model.importing.metadata import ImportedCheckpoint
from model.measuring.estimate import Estimate
from tests.made_certificate import made_certificate, made_line
from tests.made_imports import PUBLISHED, make_metadata
from tests.pages.test_pages import make_report


def model(sha256: str, name: str = "theirs") -> ImportedCheckpoint:
    return ImportedCheckpoint(name, make_metadata("torchvision", PUBLISHED["torchvision"]()), sha256)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "models" / "certificates").mkdir(parents=True)
    return Settings(checkpoint_dir=tmp_path, models=tmp_path / "models")


def consistency(floor: float) -> Line:
    line = made_line("consistency", "mirror", "pass", Estimate(value=0.9, interval=None))
    return line.model_copy(update={"chance": Estimate(value=floor, interval=None)})


def test_it_is_the_measured_figure_of_the_same_weights(settings: Settings) -> None:
    report = make_report(0.1)
    claim = report.claims[0]
    figures = {"baseline": Estimate(value=0.25, interval=None), "ours": Estimate(value=0.75, interval=None)}
    floor = claim.measures[0].model_copy(update={"key": "floor", "models": figures})
    measured = claim.model_copy(update={"measures": (*claim.measures, floor)})
    save_claims(settings.checkpoint_dir / CLAIMS_FILE, report.model_copy(update={"claims": (measured, *report.claims[1:])}))
    assert mirror_floor(settings, model(report.models["ours"].sha256)) == 0.75
    assert mirror_floor(settings, model(report.models["baseline"].sha256)) == 0.25
    assert mirror_floor(settings, model("f" * 64)) is None  # trained anew since


def test_an_imported_model_has_that_of_its_certificate(settings: Settings) -> None:
    assert settings.models is not None
    path = certificate_path(settings.models / "theirs.safetensors")
    certificate = made_certificate("theirs", "a" * 64)
    save_certificate(path, certificate)
    assert mirror_floor(settings, model("a" * 64)) is None  # certified before that line was there
    save_certificate(path, certificate.model_copy(update={"lines": (*certificate.lines, consistency(0.5))}))
    assert mirror_floor(settings, model("a" * 64)) == 0.5
    assert mirror_floor(settings, model("b" * 64)) is None  # imported anew since
    assert mirror_floor(settings, model("a" * 64, "other")) is None
    path.write_text("{}")
    assert mirror_floor(settings, model("a" * 64)) is None


def test_a_damaged_report_is_read_once_for_all_models_until_it_changes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(folder: Path) -> ClaimsReport:
        read.append(folder)
        return load_claims(folder)

    monkeypatch.setattr(floors, "load_claims", counted)
    report = settings.checkpoint_dir / CLAIMS_FILE
    report.write_text("{")
    models = {name: model(letter * 64, name) for name, letter in (("a", "a"), ("b", "b"))}
    for _ in range(2):
        assert floors.mirror_floors(settings, models) == {"a": None, "b": None}
    assert len(read) == 1
    report.write_text("[")
    os.utime(report, ns=(1, 1))
    assert floors.mirror_floors(settings, models) == {"a": None, "b": None}
    assert len(read) == 2


def test_without_a_readable_report_there_is_none(settings: Settings) -> None:
    assert mirror_floor(settings, model("0" * 64)) is None
    (settings.checkpoint_dir / CLAIMS_FILE).write_text("{")
    assert mirror_floor(settings, model("0" * 64)) is None
