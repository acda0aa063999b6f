"""The text of a split's figures, for a shipped model's own record."""

from __future__ import annotations

from pathlib import Path

from model.measuring.report import metrics_report
from model.measuring.results import load_result

RECORD = Path(__file__).resolve().parents[2] / "checkpoints" / "results" / "epochs30" / "ferplus-original-baseline-seed1.json"


def test_what_stands_beside_flip_consistency_is_printed_with_its_intervals() -> None:
    metrics = load_result(RECORD).test
    assert metrics.mirror is not None
    assert metrics.two_views is not None
    text = metrics_report("baseline", "test", metrics)
    assert f"overall {100 * metrics.two_views.overall:.2f} [" in text
    for measure in (
        metrics.mirror.own_symmetry,
        metrics.mirror.other_faces,
        metrics.mirror.own_mirror_found,
        metrics.mirror.changed_answers,
        metrics.mirror.total_variation,
    ):
        assert measure.value is not None
        assert measure.interval is not None
        assert f"{measure.value:.3f} [{measure.interval[0]:.3f}, {measure.interval[1]:.3f}]" in text


def test_runs_from_before_these_measures_have_a_report_without_them() -> None:
    metrics = load_result(RECORD).test.model_copy(update={"mirror": None, "two_views": None})
    text = metrics_report("baseline", "test", metrics)
    assert "mirror" not in text
    assert f"overall {100 * metrics.overall:.2f}" in text
