"""The colour bars of the paper-style figure: one a model, or one for all, in as many rows as they need. Lengths are inches, as there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from matplotlib.figure import Figure

from app.choices import ColourMap
from app.drawing.colours import colour_table, is_signed
from app.drawing.figure_texts import wrapped

ROW = 0.42
THICKNESS = 0.09
GAP = 0.3
LONGEST = 2.9
SHORTEST_WIDE, SHORTEST = 1.6, 0.6
TITLE_LINE = 0.1


@dataclass(frozen=True)
class ColourBars:
    """Bars from ``left`` on, over ``width``.

    ``ends``: title and last value of each; no value where every map has its own. ``unit``: of the values. ``wide``: whether a bar has room
    for title and unit on one line.
    """

    ends: Sequence[tuple[str, float | None]]
    unit: str
    colour_map: ColourMap
    left: float
    width: float
    wide: bool

    @cached_property
    def across(self) -> int:
        """Bars a row."""
        shortest = SHORTEST_WIDE if self.wide else SHORTEST
        return max(1, min(len(self.ends), int((self.width + GAP) / (shortest + GAP))))

    @cached_property
    def length(self) -> float:
        """Of a bar."""
        return min((self.width - (self.across - 1) * GAP) / self.across, LONGEST)

    @cached_property
    def titles(self) -> list[list[str]]:
        """Title and unit of each, in lines."""
        between = " " if self.wide else "\n"
        texts = [f"{title}:{between}{self.unit}" for title, _ in self.ends]
        return [[line for part in text.split("\n") for line in wrapped(part, self.length)] for text in texts]

    @property
    def row(self) -> float:
        """Height of a row."""
        return ROW + (max(map(len, self.titles)) - (1 if self.wide else 2)) * TITLE_LINE

    @property
    def height(self) -> float:
        """Of all rows."""
        return -(-len(self.ends) // self.across) * self.row

    def draw(self, sheet: Figure, top: float, page: tuple[float, float], size: float, pad: float) -> None:
        """Draw them from ``top`` down on a page of that width and height.

        Args:
            size: of the titles, points.
            pad: between a bar's numbers and its title, points.
        """
        for index, ((_, limit), title) in enumerate(zip(self.ends, self.titles, strict=True)):
            down, right = divmod(index, self.across)
            left, upper = self.left + right * (self.length + GAP), top + down * self.row + 0.1
            axes = sheet.add_axes((left / page[0], 1 - upper / page[1], self.length / page[0], THICKNESS / page[1]))
            lowest = -1.0 if is_signed(self.colour_map) else 0.0
            end = limit or 1.0
            axes.imshow(colour_table(self.colour_map)[None], extent=(lowest * end, end, 0.0, 1.0), aspect="auto", interpolation="none")
            axes.set_yticks([])
            if limit is None:
                ticks, texts = [-1.0, 0.0, 1.0], ["-maximum", "0", "maximum"]
                first = 0 if is_signed(self.colour_map) else 1
                axes.set_xticks(ticks[first:], texts[first:])
            elif self.wide:
                axes.locator_params(axis="x", nbins=5)
            else:
                axes.set_xticks([lowest * end, end], [f"{lowest * end:.2g}", f"{end:.2g}"])
            if not self.wide:  # within the bar, which ends at the margin
                labels = axes.get_xticklabels()
                labels[0].set_horizontalalignment("left")
                labels[-1].set_horizontalalignment("right")
            axes.set_xlabel("\n".join(title), fontsize=size, labelpad=pad)
