"""The certificate's figures are Quantus's on the same maps; ``benchmarks/compare_quantus.py`` ran Quantus and kept what it gave."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.compare_quantus import RESULT, own_values
from model.measuring.bootstrap import Floats

# grad-cam hands tensors to NumPy functions
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")

KEPT = json.loads(RESULT.read_text())["figures"]


@pytest.fixture(scope="module")
def own() -> dict[str, Floats]:
    return own_values()


@pytest.mark.parametrize("name", KEPT)
def test_a_figure_is_that_of_quantus(name: str, own: dict[str, Floats]) -> None:
    np.testing.assert_allclose(own[name], KEPT[name], atol=1e-6)
    assert np.std(KEPT[name]) > 1e-4  # the case tells its maps apart


def test_every_figure_was_compared(own: dict[str, Floats]) -> None:
    assert set(own) == set(KEPT)
