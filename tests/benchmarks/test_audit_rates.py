"""The rate of an audit that several processes make, on cases worked by hand."""

from __future__ import annotations

import pytest

from benchmarks.bench_audit import steady_rate


@pytest.mark.parametrize("lag", [0.0, 1.0, 3.0])
def test_two_processes_have_twice_the_rate_of_one(lag: float) -> None:
    """A process makes a part of 8 pictures in 4 seconds; the second may have begun later."""
    one = [4.0 * part for part in range(1, 17)]
    both = sorted([*one, *(end + lag for end in one)])
    assert steady_rate([8] * 16, one, 1) == 2.0
    assert steady_rate([8] * 32, both, 2) == 4.0


def test_pictures_count_that_were_made_after_every_process_had_ended_a_part() -> None:
    assert steady_rate([64, 32, 16, 8], [5.0, 6.0, 7.0, 8.0], 2) == 12.0
