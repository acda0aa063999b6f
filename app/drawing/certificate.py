"""A certificate on paper: a PDF of its lines and of the cascading randomisation."""

from __future__ import annotations

import io
import textwrap
from typing import Any

import matplotlib
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from app.drawing.paper import PAPER, printable
from app.numbers import measured
from model.certifying.report import SECTIONS, Certificate, Line

# Lengths are inches, text sizes points.
WIDTH, HEIGHT = 8.27, 11.69  # A4
MARGIN = 0.6
FIGURE_AT, CHANCE_AT, VERDICT_AT = 3.75, 5.55, 7.2  # from the left edge
ROW = 0.155
SMALL_ROW = 0.125
GAP = 0.13
HEAD_CHARACTERS, TITLE_CHARACTERS, RULE_CHARACTERS = 45, 48, 118
PLOT_HEIGHT = 2.2
COLOURS = {"pass": "#00592c", "fail": "#a3141f", "undecided": "#4a5766"}
SOFT = "#4a5766"

_SETTINGS = PAPER | {"font.size": 8}


def draw_certificate(certificate: Certificate) -> bytes:
    """The certificate as PDF. Equal certificates give equal bytes.

    One at a time: matplotlib's settings are global.
    """
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"Title": f"Certificate of {certificate.checkpoint}", "Creator": "unturned", "CreationDate": None}
    with matplotlib.rc_context(_SETTINGS), PdfPages(buffer, metadata=metadata) as document:
        paper = _Paper()
        _write_head(paper, certificate)
        for section, title in SECTIONS.items():
            lines = [line for line in certificate.lines if line.section == section]
            if lines:
                paper.need(0.9)
                paper.write(title, size=10, weight="bold")
                paper.skip(GAP)
            for line in lines:
                _write_line(paper, line)
        for line in certificate.lines:
            if line.steps:
                _draw_steps(paper, line)
        for sheet in paper.sheets:
            document.savefig(sheet)
    return buffer.getvalue()


class _Paper:
    """Pages filled from top to bottom; ``top`` is where the next text goes, from the upper edge."""

    def __init__(self) -> None:
        self.sheets = [Figure(figsize=(WIDTH, HEIGHT))]
        self.top = MARGIN

    @property
    def sheet(self) -> Figure:
        return self.sheets[-1]

    def need(self, height: float) -> None:
        """A new page where this one has not that much room left."""
        if self.top + height > HEIGHT - MARGIN:
            self.sheets.append(Figure(figsize=(WIDTH, HEIGHT)))
            self.top = MARGIN

    def skip(self, height: float) -> None:
        self.top += height

    def write(self, text: str, left: float = MARGIN, size: float = 8, row: float = ROW, **style: Any) -> None:
        """One row of text, and down to the next."""
        self.put(text, left, size, **style)
        self.top += row

    def put(self, text: str, left: float, size: float = 8, **style: Any) -> None:
        """Text at the present height."""
        self.sheet.text(left / WIDTH, 1 - self.top / HEIGHT, printable(text), fontsize=size, va="top", **style)


def _write_head(paper: _Paper, certificate: Certificate) -> None:
    for row in textwrap.wrap(f"Certificate of {certificate.checkpoint}", HEAD_CHARACTERS):
        paper.write(row, size=16, row=0.34, weight="bold")
    counts = certificate.counts()
    said = (
        f"Maps: {certificate.maps}. {counts['pass']} lines pass, {counts['fail']} fail, {counts['undecided']} are undecided.",
        f"{certificate.faces} faces of {certificate.dataset}, {certificate.split} split, balanced; seed {certificate.seed}.",
        f"Brackets are 95 % bootstrap intervals, {certificate.draws} draws; controls were measured in the same run.",
        "A line passes where the whole interval of its margin is on the good side of its rule, fails where none of it is.",
        f"sha256 {certificate.sha256}",
        f"{certificate.command}, at {certificate.revision[:12]}, {certificate.seconds:.0f} s",
    )
    for text in said:
        for row in textwrap.wrap(text, RULE_CHARACTERS):
            paper.write(row, size=7, row=SMALL_ROW, color=SOFT)
    paper.skip(2 * GAP)


def _write_line(paper: _Paper, line: Line) -> None:
    title = textwrap.wrap(line.title, TITLE_CHARACTERS)
    bad = [] if line.known_bad is None else [f"Edge detector, which must fail: {measured(line.known_bad.value, line.known_bad.interval)}."]
    small = textwrap.wrap(" ".join([f"{line.rule}. After: {line.source}.", *bad, line.note]), RULE_CHARACTERS)
    paper.need(max(len(title) * ROW, ROW + SMALL_ROW) + len(small) * SMALL_ROW + GAP)
    paper.put(measured(line.figure.value, line.figure.interval), FIGURE_AT)
    paper.put(measured(line.chance.value, line.chance.interval), CHANCE_AT)
    paper.put(line.said, VERDICT_AT, weight="bold", color=COLOURS[line.verdict])
    start = paper.top
    paper.top = start + ROW
    paper.put(line.unit, FIGURE_AT, 5, color=SOFT)
    paper.put(line.chance_title, CHANCE_AT, 5, color=SOFT)
    paper.top = start
    for row in title:
        paper.write(row)
    paper.top = max(paper.top, start + ROW + SMALL_ROW)
    for row in small:
        paper.write(row, size=6, row=SMALL_ROW, color=SOFT)
    paper.skip(GAP)


def _draw_steps(paper: _Paper, line: Line) -> None:
    """The similarity after every step, with the control and what must fail as dashed lines."""
    paper.need(PLOT_HEIGHT + 0.7)
    paper.skip(GAP)
    area = (0.14, 1 - (paper.top + PLOT_HEIGHT) / HEIGHT, 0.6, PLOT_HEIGHT / HEIGHT)
    axes = paper.sheet.add_axes(area)
    counts = [step.layers for step in line.steps if step.similarity.value is not None]
    found = [(step.similarity.value, step.similarity.interval) for step in line.steps]
    values = [value for value, _ in found if value is not None]
    ends = [interval or (value, value) for value, interval in found if value is not None]
    # rounding may put the mean of equal values outside its interval
    below = [max(0.0, value - low) for value, (low, _) in zip(values, ends, strict=True)]
    above = [max(0.0, high - value) for value, (_, high) in zip(values, ends, strict=True)]
    axes.errorbar(counts, values, yerr=[below, above], fmt="o-", color=COLOURS["pass"], markersize=3, linewidth=1, capsize=2)
    for bound in (line.chance, line.known_bad):
        if bound is not None and bound.value is not None:
            axes.axhline(bound.value, color=SOFT, linestyle="--", linewidth=0.8)
    axes.set(ylim=(0, 1.05), xlabel="random layers, from the output down", ylabel="similarity of the maps")
    axes.tick_params(labelsize=7)
    paper.skip(PLOT_HEIGHT + 0.5)
