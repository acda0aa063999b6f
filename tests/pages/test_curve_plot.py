"""Learning curves as coordinates, worked out by hand, and on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.pages.curve_plot import HEIGHT, LEFT, RIGHT, TOP, WIDTH, curve_plots
from model.measuring.results import RESULTS_FOLDER, RunResult, save_result
from model.tables.layout import Curve
from tests.made_results import make_result_fields
from tests.pages.test_pages import make_client


def test_all_methods_of_a_group_have_the_same_axes() -> None:
    curves = [
        Curve("Baseline", "validation, overall", (60.0, 80.0)),
        Curve("MEK", "validation, overall", (70.0, 100.0)),
        Curve("MEK", "validation, mean", (40.0, 50.0)),
    ]
    plain, mek = curve_plots(curves)
    assert (plain.title, mek.title) == ("Baseline", "MEK")
    assert plain.y_ticks == mek.y_ticks
    assert [tick.text for tick in plain.y_ticks] == ["40", "60", "80", "100"]
    half, last = (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT  # the first of two epochs is in the middle: the axis begins at none
    assert plain.lines[0].path == f"{half:.1f},{TOP + HEIGHT * 2 / 3:.1f} {last:.1f},{TOP + HEIGHT / 3:.1f}"
    assert [line.kind for line in mek.lines] == ["overall", "mean"]
    assert mek.lines[1].words == "validation, mean 40.0 to 50.0 per cent"


def test_the_page_draws_them(random_checkpoints: Path, tmp_path: Path) -> None:
    curve: list[dict[str, Any]] = [{"epoch": epoch, "valid": {"overall": 0.5 + 0.1 * epoch, "mean": 0.4}} for epoch in (1, 2, 3)]
    run = RunResult(**make_result_fields(epochs=3) | {"learning_curve": curve})
    save_result(tmp_path / RESULTS_FOLDER / "short", run)
    text = make_client(random_checkpoints, tmp_path).get("/results").text
    assert (
        'aria-label="Baseline over the epochs: validation, overall 60.0 to 80.0 per cent; validation, mean 40.0 to 40.0 per cent"' in text
    )
