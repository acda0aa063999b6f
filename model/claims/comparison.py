"""Models against a baseline on the same faces: statistics with bootstrap intervals, paired differences, verdicts, points to plot.

A statistic is a function of a model's figures and of bootstrap draws ``(R, N)``; all models are drawn alike, so differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.claims.report import Measure, PointSet, Verdict, combine, decide
from model.measuring.bootstrap import Floats, Labels, with_interval
from model.measuring.mirror import MirrorFigures

POINT_DECIMALS = 4


@dataclass(frozen=True)
class ModelFigures:
    """One model on N labelled faces. NaN where undefined.

    ``predicted`` and, of the two views' averaged logits, ``predicted_by_two`` (N,); ``mirror``: what changes in the mirror; ``overlap``
    and ``minmax_overlap`` (N, L (L - 1) / 2) of each pair of classes; ``periphery`` (N, L): share of a map outside the inner face,
    less a uniform map's; ``log_odds`` (N, L).
    """

    predicted: Labels
    predicted_by_two: Labels
    mirror: MirrorFigures
    overlap: Floats
    minmax_overlap: Floats
    periphery: Floats
    log_odds: Floats


Statistic = Callable[[ModelFigures, Floats], Floats]


@dataclass(frozen=True)
class Comparison:
    """The figures of every model, the baseline's name among them, and that of the model the points are drawn for.

    ``peers`` names, for the models that it has, the plain training of as many epochs that they are set against in place of the baseline.
    """

    figures: dict[str, ModelFigures]
    baseline: str
    ours: str
    draws: tuple[Floats, ...]
    peers: dict[str, str] = field(default_factory=dict)

    @property
    def faces(self) -> int:
        return len(self.figures[self.baseline].predicted)

    @property
    def others(self) -> list[str]:
        """Every model that is set against another."""
        return [name for name in self.figures if self.peer(name) != name]

    def peer(self, name: str) -> str:
        """The plain training that a model is set against."""
        return self.peers.get(name, self.baseline)

    def measure(
        self,
        key: str,
        title: str,
        better: Literal["higher", "lower"],
        statistic: Statistic,
        *,
        decides: bool = False,
        expression: str | None = None,
        reference: tuple[str, float] | None = None,
    ) -> Measure:
        """A statistic of every model with its interval, its difference from its peer, and what the difference decides."""
        whole = np.ones((1, self.faces))
        reference_title, reference_value = reference or (None, np.nan)
        values = {name: float(statistic(figures, whole)[0]) for name, figures in self.figures.items()}
        drawn = {name: np.concatenate([statistic(figures, counts) for counts in self.draws]) for name, figures in self.figures.items()}
        pairs = {name: self.peer(name) for name in self.others}
        differences = {name: with_interval(values[name] - values[peer], drawn[name] - drawn[peer]) for name, peer in pairs.items()}
        return Measure(
            key=key,
            title=title,
            expression=expression,
            better=better,
            decides=decides,
            models={name: with_interval(values[name], drawn[name]) for name in values},
            differences=differences,
            verdicts={name: decide(difference, better) for name, difference in differences.items()},
            reference=None if np.isnan(reference_value) else reference_value,
            reference_title=reference_title,
        )

    def verdicts(self, measures: tuple[Measure, ...]) -> dict[str, Verdict]:
        """A claim's verdict for every model that is set against another, from the measures that decide it."""
        return {name: combine([measure.verdicts[name] for measure in measures if measure.decides]) for name in self.others}

    def points(
        self,
        key: str,
        title: str,
        quantity: str,
        value: Callable[[ModelFigures], Floats],
        marked: tuple[str, NDArray[np.bool_]] | None = None,
    ) -> PointSet:
        """A value ``(N,)`` of the baseline against that of ``ours``, for the faces where both have one."""
        across, up = value(self.figures[self.baseline]), value(self.figures[self.ours])
        faces = np.flatnonzero(~np.isnan(across) & ~np.isnan(up))
        return PointSet(
            key=key,
            title=title,
            quantity=quantity,
            faces=tuple(faces.tolist()),
            baseline=tuple(across[faces].round(POINT_DECIMALS).tolist()),
            ours=tuple(up[faces].round(POINT_DECIMALS).tolist()),
            marked=None if marked is None else tuple(marked[1][faces].tolist()),
            marked_title=None if marked is None else marked[0],
        )
