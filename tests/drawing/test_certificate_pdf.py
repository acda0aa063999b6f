"""The certificate as PDF: all of it, the same bytes each time, on as many pages as it needs."""

from __future__ import annotations

import math
import re

import pytest

from app.drawing.certificate import draw_certificate
from model.measuring.estimate import Estimate
from tests.made_certificate import made_certificate


def pages(data: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", data))


def test_equal_certificates_give_equal_files() -> None:
    certificate = made_certificate("baseline", "0" * 64)
    assert draw_certificate(certificate) == draw_certificate(certificate)
    assert pages(draw_certificate(certificate)) == 1


def test_more_lines_take_more_pages() -> None:
    certificate = made_certificate("baseline", "0" * 64)
    longer = certificate.model_copy(update={"lines": certificate.lines * 5})
    assert pages(draw_certificate(longer)) > 1


@pytest.mark.parametrize(
    "similarity",
    [
        Estimate(value=math.nextafter(0.45, 0.0), interval=(0.45, 0.45)),  # as rounding leaves the mean of equal values
        Estimate(value=None, interval=None),  # as of maps of one cell
    ],
)
def test_a_cascade_without_an_interval_to_draw_is_drawn(similarity: Estimate) -> None:
    certificate = made_certificate("baseline", "0" * 64)
    steps = [tuple(step.model_copy(update={"similarity": similarity}) for step in line.steps) for line in certificate.lines]
    lines = tuple(line.model_copy(update={"steps": found}) for line, found in zip(certificate.lines, steps, strict=True))
    assert pages(draw_certificate(certificate.model_copy(update={"lines": lines}))) == 1
