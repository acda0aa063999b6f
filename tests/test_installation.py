"""What adds the packages that serving does without."""

from __future__ import annotations

import tomllib

import pytest

from app.installation import install_command
from tests.live_server import ROOT


@pytest.mark.parametrize(
    ("package", "extra"),
    [("torch", "torch"), ("sklearn.metrics", "torch"), ("kornia", "train"), ("pyarrow.parquet", "audit"), ("ray", "ray"), ("timm", "timm")],
)
def test_a_missing_package_is_answered_with_the_extra_that_has_it(package: str, extra: str) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extra in declared
    assert install_command(ModuleNotFoundError(name=package)) == f"pip install -e '.[{extra}]'"


def test_a_missing_package_of_nobody_has_no_remedy() -> None:
    assert install_command(ModuleNotFoundError(name="seaborn")) is None
