"""Numbers as the pages write them."""

from __future__ import annotations

from app.numbers import decimal, estimate, percent, share_text


def test_a_number_has_its_digits_a_real_minus_and_a_dash_where_there_is_none() -> None:
    assert [decimal(value) for value in (0.1234, -0.5, None)] == ["0.123", "−0.500", "–"]
    assert decimal(-1.06, 1) == "−1.1"


def test_what_rounds_to_zero_has_no_minus_unless_its_sign_is_asked_for() -> None:
    assert [decimal(value, 2) for value in (-0.004, -0.0, 0.004)] == ["0.00"] * 3
    assert decimal(-0.0004, signed=True) == "−0.000"


def test_a_difference_has_its_sign() -> None:
    assert estimate(0.098, (0.093, 0.103), signed=True) == "+0.098 [+0.093, +0.103]"
    assert estimate(-0.0047, (-0.012, 0.0031), signed=True) == "−0.005 [−0.012, +0.003]"


def test_an_interval_is_only_written_where_there_is_one() -> None:
    assert estimate(0.847, None) == "0.847"
    assert estimate(None, None) == "–"


def test_a_fraction_is_written_in_per_cent() -> None:
    assert percent(0.8588, (0.848, 0.871)) == "85.88 % (95 %: 84.8 to 87.1)"
    assert [percent(0.5), percent(None)] == ["50.00 %", "–"]


def test_shares_never_round_to_certainty() -> None:
    shares = [0.0, 0.0001, 0.123, 0.9999, 1.0]
    assert [share_text(share).replace("\u00a0", " ") for share in shares] == ["0.0 %", "<0.1 %", "12.3 %", ">99.9 %", "100.0 %"]
