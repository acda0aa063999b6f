"""Settings outside their range are refused by name before anything is trained."""

from __future__ import annotations

import pytest

from model.methods.base import parse_settings
from model.methods.registry import find_method


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        ("mek", "smoothing", "1.5"),
        ("mek", "consistency", "-1"),
        ("mek_sf", "adjustment", "nan"),
        ("mek_votes", "smoothing", "-0.1"),
        ("eac", "consistency", "-0.05"),
        ("rul", "dimensions", "0"),
        ("rul", "dropout", "1.1"),
        ("scn", "high_share", "2"),
        ("soft", "ramp", "0"),
        ("soft", "smoothing", "-1"),
        ("cac", "temperature", "inf"),
    ],
)
def test_a_value_out_of_range_is_refused(method: str, name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"setting {name} must be .* not {value}"):
        parse_settings(find_method(method), {name: value})
