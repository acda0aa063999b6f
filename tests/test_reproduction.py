"""The page on the reproduction says what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from model.methods import METHODS
from model.table_layout import METHOD_TITLES

PAGE = Path(__file__).parent.parent / "docs" / "reproduction.md"


def constants_of(method: str) -> dict[str, str]:
    """The settings in the method's row of the table of constants, by name."""
    row = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| {method} |"))
    return dict(re.findall(r"`(\w+)` (\w+(?:\.\d+)?)", row.split("|")[2]))


@pytest.mark.parametrize("method", METHODS)
def test_the_page_gives_the_default_of_every_setting(method: str) -> None:
    written = constants_of(method)
    defaults = {field.name: field.default for field in fields(METHODS[method].Settings)}

    assert set(written) == set(defaults)
    for name, default in defaults.items():
        assert (written[name] == str(default)) if isinstance(default, bool) else float(written[name]) == pytest.approx(default, rel=0.02)


def test_every_method_has_a_title_in_the_tables() -> None:
    assert set(METHODS) == set(METHOD_TITLES)
