"""Distances from plain training by seed, on results worked out by hand."""

from __future__ import annotations

from model.expressions import EXPRESSIONS
from model.measuring.results import RunResult
from model.tables.by_seed import seeds_table
from model.tables.formats import format_value
from tests.made_results import make_result


def run(method: str, right: int, seed: int, imbalance: str = "original") -> RunResult:
    """A run that names ``right`` of the seven faces right, one a class: its overall and mean accuracy are both right/7."""
    return make_result(method=method, right=EXPRESSIONS[:right], seed=seed, imbalance=imbalance)


def cells(runs: list[RunResult]) -> dict[str, list[str]]:
    return {f"{group.title}: {row.label}": list(map(format_value, row.values)) for group in seeds_table(runs).groups for row in group.rows}


def test_each_seed_is_set_against_its_own_plain_training() -> None:
    # plain: 4/7, 5/7, 3/7; CB: 5/7, 5/7, 5/7. Distances in points: 100/7 (1, 0, 2), mean 100/7, standard deviation 100/7.
    runs = [run("baseline", right, seed) for seed, right in ((1, 4), (2, 5), (3, 3))] + [run("cb", 5, seed) for seed in (1, 2, 3)]
    found = cells(runs)
    assert found["FERPlus, all training faces: overall accuracy: CB"] == ["14.29", "0.00", "28.57", "14.29 ± 14.29"]
    assert found["FERPlus, all training faces: mean accuracy: CB"] == ["14.29", "0.00", "28.57", "14.29 ± 14.29"]
    assert found["FERPlus, all training faces: macro average precision: CB"] == ["0.00", "0.00", "0.00", "0.00 ± 0.00"]


def test_the_plain_logits_without_the_prior_stand_beside_the_methods() -> None:
    # overall .25 and mean .5 with tau 1, against 4/7 and 2/7; not of average precision, which nobody took of them
    found = cells([run("baseline", 4, 1), run("baseline", 2, 2)])
    assert found == {
        "FERPlus, all training faces: overall accuracy: Baseline, tau 1": ["-32.14", "-3.57", "-17.86 ± 20.20"],
        "FERPlus, all training faces: mean accuracy: Baseline, tau 1": ["-7.14", "21.43", "7.14 ± 20.20"],
    }


def test_a_seed_without_plain_training_stays_empty_and_one_seed_is_no_row() -> None:
    plain = [run("baseline", 4, 1), run("baseline", 4, 2)]
    found = cells([*plain, run("cb", 5, 1), run("cb", 5, 2), run("cb", 5, 3), run("scn", 1, 1)])
    assert found["FERPlus, all training faces: overall accuracy: CB"] == ["14.29", "14.29", "", "14.29 ± 0.00"]
    assert not any("SCN" in row for row in found)


def test_protocols_are_apart() -> None:
    assert cells([run("baseline", 4, 1), run("baseline", 4, 2), run("cb", 5, 1, "50"), run("cb", 5, 2, "50")]).keys() == {
        "FERPlus, all training faces: overall accuracy: Baseline, tau 1",
        "FERPlus, all training faces: mean accuracy: Baseline, tau 1",
    }
    assert cells([run("baseline", 4, 1), run("cb", 5, 1)]) == {}
