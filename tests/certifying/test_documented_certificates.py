"""The page on certificates says what the certificates of the shipped models say."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.certifying.report import certificate_path, load_certificate

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs" / "certificate.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", ["cac", "baseline"])
def test_the_page_has_the_counts_of_a_shipped_models_certificate(name: str) -> None:
    certificate = load_certificate(certificate_path(ROOT / "checkpoints" / f"{name}.safetensors"))
    counts = certificate.counts()
    assert f"`{name}` passes {counts['pass']} and leaves {counts['undecided']} undecided" in PAGE
    assert counts["fail"] == 0 and f"There are {len(certificate.lines)} lines" in PAGE
