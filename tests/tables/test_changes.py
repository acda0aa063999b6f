"""What each method changes against plain training: printed and measured, runs of one length at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.expressions import EXPRESSIONS
from model.measuring.results import save_result
from model.tables.changes import changes_from_plain, measured_changes, printed_changes
from tests.made_results import make_predicted_result, make_result


def test_the_printed_changes_are_the_papers() -> None:
    by_method = {changes.method: changes.changes for changes in printed_changes()}

    assert "baseline" not in by_method
    assert by_method["mek"]["overall"].points == pytest.approx(89.03 - 85.91)
    assert by_method["mek"]["mean"].points == pytest.approx(77.01 - 73.61)
    assert by_method["mek"]["mean"].interval is None


def test_changes_are_averaged_over_the_seeds_that_both_have() -> None:
    runs = [
        *(make_result(seed=seed, right=EXPRESSIONS[:4]) for seed in (1, 2)),
        make_result(method="mek", seed=1, right=EXPRESSIONS[:5]),
        make_result(method="mek", seed=2, right=EXPRESSIONS[:6]),
        make_result(method="mek", seed=3, right=()),
        make_result(method="cb", seed=3),
    ]
    (mek,) = changes_from_plain(runs).methods

    assert (mek.method, mek.seeds) == ("mek", (1, 2))
    assert mek.changes["overall"].points == pytest.approx(100 * 1.5 / 7)


def test_an_interval_compares_the_same_faces_where_predictions_were_kept() -> None:
    """Both models name the very same half of the faces right: no draw tells them apart."""
    labels = "0123456" * 40
    half = "".join(label if index % 2 else "0" if label != "0" else "1" for index, label in enumerate(labels))
    kept = [make_predicted_result(labels, half, method=method) for method in ("baseline", "mek")]
    (paired,) = changes_from_plain(kept).methods
    (apart,) = changes_from_plain([run.model_copy(update={"test_predictions": None}) for run in kept]).methods

    assert paired.changes["overall"].interval == (0.0, 0.0)
    assert apart.changes["overall"].interval is not None
    low, high = apart.changes["overall"].interval
    assert low < -3 < 3 < high


def test_runs_of_another_length_or_with_other_constants_are_apart(tmp_path: Path) -> None:
    for folder, epochs, right in ((tmp_path, 10, 5), (tmp_path / "epochs30", 30, 6)):
        save_result(folder, make_result(epochs=epochs, right=EXPRESSIONS[:4]))
        save_result(folder, make_result(epochs=epochs, method="mek", right=EXPRESSIONS[:right]))
    save_result(tmp_path / "trials", make_result(epochs=3, method="mek"))
    save_result(tmp_path, make_result(method="eac", settings={"consistency": 5.0}))
    found = measured_changes(tmp_path)

    assert [(of_one.epochs, [each.method for each in of_one.methods]) for of_one in found] == [(10, ["mek"]), (30, ["mek"])]
    points = [of_one.methods[0].changes["overall"].points for of_one in found]
    assert points == pytest.approx([100 / 7, 200 / 7])
