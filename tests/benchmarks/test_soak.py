"""By how much memory grew, on cases worked by hand and on the samples that were kept."""

from __future__ import annotations

import json

import pytest

from benchmarks.soak import growth
from benchmarks.timing import RESULTS


def samples(*megabytes: float, start: int = 1000) -> list[tuple[int, float]]:
    return [(start + 100 * number, value) for number, value in enumerate(megabytes)]


def test_growth_is_that_of_medians_once_settled() -> None:
    first, last = [10.0] * 4 + [12.0] * 2 + [90.0] * 4, [20.0] * 5 + [30.0] * 5
    assert growth(samples(*first, *last)) == 13.0  # 25 less 12
    assert growth(samples(*first, *[500.0] * 7, *last)) == 13.0
    assert growth([*samples(*[1.0] * 9, start=100), *samples(*first, *last)]) == 13.0  # what came before the service settled
    assert growth(samples(*first, *last)[::-1]) == 13.0  # clients may note their samples out of turn


def test_a_slow_leak_shows_and_one_high_sample_does_not() -> None:
    assert growth(samples(*(float(number) for number in range(30)))) == 20.0
    assert growth(samples(*[10.0] * 29, 99.0)) == 0.0


def test_few_samples_do_not_tell() -> None:
    assert growth(samples(*[10.0] * 19)) is None
    assert growth(samples(*[10.0] * 20)) == 0.0


@pytest.mark.parametrize("name", ["soak_mixed", "soak_10000"])
def test_the_growth_that_was_kept_is_that_of_the_samples(name: str) -> None:
    figures = json.loads((RESULTS / f"{name}.json").read_text())["figures"]
    assert growth(figures["memory_megabytes"]) == figures["growth_megabytes"]
