"""The floor beside a flip consistency: the report's figure for these very weights, and nothing else."""

from __future__ import annotations

from pathlib import Path

from app.explaining.mirror_floor import mirror_floor
from model.claims.report import CLAIMS_FILE, Estimate, save_claims
from tests.pages.test_pages import make_report


def test_it_is_the_measured_figure_of_the_same_weights(tmp_path: Path) -> None:
    report = make_report(0.1)
    claim = report.claims[0]
    figures = {"baseline": Estimate(value=0.25, interval=None), "ours": Estimate(value=0.75, interval=None)}
    floor = claim.measures[0].model_copy(update={"key": "floor", "models": figures})
    measured = claim.model_copy(update={"measures": (*claim.measures, floor)})
    save_claims(tmp_path / CLAIMS_FILE, report.model_copy(update={"claims": (measured, *report.claims[1:])}))
    assert mirror_floor(tmp_path, report.models["ours"].sha256) == 0.75
    assert mirror_floor(tmp_path, report.models["baseline"].sha256) == 0.25
    assert mirror_floor(tmp_path, "f" * 64) is None  # trained anew since


def test_without_a_readable_report_there_is_none(tmp_path: Path) -> None:
    assert mirror_floor(tmp_path, "0" * 64) is None
    (tmp_path / CLAIMS_FILE).write_text("{")
    assert mirror_floor(tmp_path, "0" * 64) is None
