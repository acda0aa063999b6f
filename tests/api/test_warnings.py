"""Every warning of an answer is told wherever warnings are: in the documents, in the API's own document, and to a visitor."""

from __future__ import annotations

import re
from pathlib import Path

from app.api.schemas import ExplanationResponse
from app.decoding.codec import ICC_IGNORED
from app.detection.find import LOW_RESOLUTION_FACE, TAKEN_WHOLE, UNCALIBRATED_DETECTOR
from app.explaining.pipeline import APPROXIMATE_MAPS, MAPS_SCALED, OTHER_FRAMING, SAME_NETWORK
from app.explaining.sentences import WARNING_TEXTS

ROOT = Path(__file__).parents[2]
CODES = {APPROXIMATE_MAPS, ICC_IGNORED, LOW_RESOLUTION_FACE, MAPS_SCALED, OTHER_FRAMING, SAME_NETWORK, TAKEN_WHOLE, UNCALIBRATED_DETECTOR}


def test_documentation() -> None:
    table = (ROOT / "docs" / "service.md").read_text(encoding="utf-8").partition("## Warnings")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(rows) == sorted(CODES)


def test_openapi_document() -> None:
    said = ExplanationResponse.model_fields["warnings"].description
    assert said is not None
    assert set(re.findall(r"[a-z]+_[a-z_]+", said)) == CODES


def test_explorer() -> None:
    assert set(WARNING_TEXTS) == CODES
