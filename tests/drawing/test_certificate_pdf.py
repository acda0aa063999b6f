"""The certificate as PDF: all of it, the same bytes each time, on as many pages as it needs."""

from __future__ import annotations

import re

from app.drawing.certificate import draw_certificate
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
