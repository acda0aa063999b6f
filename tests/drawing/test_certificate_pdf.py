"""The certificate as PDF: all of it, the same bytes each time, on as many pages as it needs."""

from __future__ import annotations

import io
import math
import re
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from PIL import Image

from app.drawing import certificate as drawing
from app.drawing.certificate import draw_certificate
from model.measuring.estimate import Estimate
from tests.made_certificate import made_certificate


def pages(data: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", data))


def test_equal_certificates_give_equal_files_whatever_the_user_has_set() -> None:
    certificate = made_certificate("baseline", "0" * 64)
    usual = draw_certificate(certificate)
    assert draw_certificate(certificate) == usual
    with matplotlib.rc_context({"text.color": "white", "figure.facecolor": "black", "savefig.bbox": "tight"}):
        assert draw_certificate(certificate) == usual
    assert pages(usual) == 1


def test_a_name_that_the_font_lacks_is_drawn_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pages(draw_certificate(made_certificate("模型", "0" * 64))) > 0


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


def test_the_longest_name_of_a_model_is_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    class Seen(PdfPages):
        def savefig(self, figure: Figure) -> None:  # type: ignore[override]
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=60)
            seen.append(buffer.getvalue())

    monkeypatch.setattr(drawing, "PdfPages", Seen)
    draw_certificate(made_certificate("wide_resnet50_2." * 4, "0" * 64))
    with Image.open(io.BytesIO(seen[0])) as page:
        assert (np.asarray(page.convert("L"))[: round(1.5 * 60), -round(0.5 * 60) :] == 255).all()  # head and margin, in inches
