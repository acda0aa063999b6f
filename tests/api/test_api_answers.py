"""Numbers as the answers write them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from app.api.answers import decimal_numbers


@given(arrays.arrays(np.float32, 20, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_written_numbers_read_back_exactly(values: NDArray[np.float32]) -> None:
    written = decimal_numbers(values)
    np.testing.assert_array_equal(written.astype(np.float32), values)


def test_numbers_of_all_magnitudes_read_back_exactly() -> None:
    """Random bits, since simple numbers need few digits: with eight digits some hundreds of these would be others."""
    values = np.random.default_rng(0).integers(0, 1 << 32, 100_000, dtype=np.uint32).view(np.float32)
    values = values[np.isfinite(values)]
    np.testing.assert_array_equal(decimal_numbers(values).astype(np.float32), values)


def test_written_numbers_are_short() -> None:
    values = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    assert max(len(repr(value).strip("-").replace(".", "").lstrip("0")) for value in decimal_numbers(values).tolist()) <= 9
