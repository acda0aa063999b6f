"""What one run adds to another, on predictions worked out by hand, and by the command on recorded runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import main
from model.errors import InputError
from model.measuring.results import FrontierPoint, RunResult, save_result
from model.tables.two_runs import comparison
from tests.made_results import make_predicted_result, make_result

LABELS = "0000011"
RESULTS = Path(__file__).parents[2] / "checkpoints/results"


def run(predicted: str, overall: float, mean: float, seed: int = 1, labels: str = LABELS) -> RunResult:
    """With these predictions, and with these accuracies on the test split, which need not be theirs."""
    made = make_predicted_result(labels, predicted, method="cb", seed=seed)
    return made.model_copy(update={"test": made.test.model_copy(update={"overall": overall, "mean": mean})})


def cells(text: str, first: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_a_difference_over_faces_by_hand() -> None:
    # 4 of 5 and 0 of 2 right against 3 of 5 and 2 of 2: 1/7 more overall, (.6 + 1) / 2 - (.8 + 0) / 2 = .4 in the mean
    text = comparison([run("1100011", 0.9, 0.8)], [run("0000100", 0.85, 0.82)])
    assert [cell.split(" ")[0] for cell in cells(text, "test, over faces")] == ["+14.29", "+40.00"]
    assert cells(text, "test") == ["+5.00", "-2.00"]
    assert "validation" not in text  # the made runs have no such split
    assert "Over faces: 95%" in text and "Over seeds" not in text


def test_seeds_are_paired_and_their_t_interval_is_the_textbooks() -> None:
    """Differences of 1, 2 and 3 points: mean 2, deviation 1, and 4.303 / 3 ** .5 = 2.48 to either side."""
    own = [run(LABELS, 0.80 + seed / 100, 0.5, seed) for seed in (3, 1, 2)]
    text = comparison(own, [run(LABELS, 0.80, 0.5 + seed / 10, seed) for seed in (1, 2, 3)])
    assert cells(text, "test, over seeds") == ["+2.00 ± 1.00 [-0.5, +4.5]", "-20.00 ± 10.00 [-44.8, +4.8]"]


def test_frontiers_are_compared_where_both_reach() -> None:
    def with_curve(*points: tuple[float, float]) -> RunResult:
        made = make_result()
        curve = tuple(FrontierPoint(tau=index / 10, overall=overall, mean=mean) for index, (overall, mean) in enumerate(points))
        return made.model_copy(update={"test": made.test.model_copy(update={"frontier": curve})})

    # both span .88 to .90, where the one has .70 and the other .66, and .74 against .70 at .88 itself: 4 points everywhere
    text = comparison([with_curve((0.9, 0.7), (0.88, 0.74))], [with_curve((0.9, 0.66), (0.88, 0.70))])
    assert cells(text, "test, one view") == ["+4.00", "+4.00", "2.0"]
    assert "two views" not in text
    assert text.endswith("A file keeps no predictions, so nothing is known over faces.")


@pytest.mark.parametrize(
    ("own", "others", "reason"),
    [
        ([1], [1, 2], "seed 1 cannot be paired with seeds 1, 2: give one run of each, or the same seeds of both"),
        ([1, 2], [1, 3], "seeds 1, 2 cannot be paired with seeds 1, 3"),
        ([1, 1], [1, 1], "cannot be paired"),
    ],
)
def test_runs_that_make_no_pairs_are_refused(own: list[int], others: list[int], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        comparison([run(LABELS, 0.9, 0.9, seed) for seed in own], [run(LABELS, 0.9, 0.9, seed) for seed in others])


@pytest.mark.parametrize("labels", ["0000111", "1100000"])
def test_runs_on_other_faces_are_refused(labels: str) -> None:
    with pytest.raises(InputError, match="were not measured on the same test faces"):
        comparison([run(LABELS, 0.9, 0.9)], [run(labels, 0.9, 0.9, labels=labels)])


def test_the_command_compares_files_whatever_they_are_called(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_result(tmp_path, make_predicted_result(LABELS, "1100011", method="cb"))
    (kept,) = tmp_path.iterdir()
    kept.rename(tmp_path / "trial.json")
    save_result(tmp_path, make_predicted_result(LABELS, "0000100", method="cb"))
    assert main(["compare", str(tmp_path / "trial.json"), "--to", str(kept)]) == 0
    assert capsys.readouterr().out.startswith(f"trial less {kept.stem}; points")
    assert main(["compare", str(tmp_path / "absent.json"), "--to", str(kept)]) == 2
    assert "absent.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("own", "reference", "found"),
    [
        (
            "trials/ferplus-original-cb-seed1-reweight_from0.8.json",
            "ferplus-original-cb-seed1.json",
            ["+0.96 [+0.1, +1.8]", "-1.24 [-4.4, +1.3]"],
        ),
        ("paper/ferplus-150-mek-seed1.json", "paper/ferplus-150-eac-seed1.json", ["+1.47 [+0.5, +2.4]", "+1.67 [-1.5, +4.8]"]),
    ],
)
def test_differences_that_no_table_has_are_as_the_documents_say(
    own: str, reference: str, found: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(RESULTS / own), "--to", str(RESULTS / reference)]) == 0
    assert cells(capsys.readouterr().out, "test, over faces") == found
