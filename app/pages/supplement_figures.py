"""The supplement's figures of the models now served, and how far their faces are chosen."""

from __future__ import annotations

import asyncio
import weakref
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from app.choices import COMPARED, FigureFormat

if TYPE_CHECKING:
    from app.drawing.supplement import SupplementFigure
    from app.explaining.compute import ComputePool
    from app.explaining.explainer import Explainer
    from app.explaining.service import Drawer
    from model.data.faces import FaceSet


class Supplement:
    """The figures of one explainer's models, which go when a reload replaces them.

    ``figures`` is None until all candidates are scored, ``progress`` the share done, 0..1.
    """

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = weakref.ref(explainer)
        self.figures: list[SupplementFigure] | None = None
        self.progress = 0.0
        self._drawings: dict[tuple[str, FigureFormat], asyncio.Future[bytes]] = {}

    def is_of(self, explainer: Explainer) -> bool:
        """Whether these are its figures."""
        return self._explainer() is explainer

    async def file_of(self, figure: SupplementFigure, file_format: FigureFormat, drawer: Drawer) -> bytes:
        """A figure's file, drawn once for all visitors.

        Raises:
            Problem: ``overloaded``.
        """
        drawing = self._drawings.get((figure.stem, file_format))
        if drawing is None or (drawing.done() and (drawing.cancelled() or drawing.exception() is not None)):
            drawing = asyncio.ensure_future(drawer.draw(partial(_drawn, figure, file_format)))
            self._drawings[figure.stem, file_format] = drawing
        return await asyncio.shield(drawing)

    async def choose(self, explainer: Explainer, faces: FaceSet, pool: ComputePool) -> None:
        """Have the explainer score the candidates, a small batch at a time so that uploads get their turns, and explain the chosen ones."""
        from app.drawing.supplement import BATCH, candidate_faces, chosen_figures, label_scores

        models = explainer.resolve(COMPARED)
        predictors = [explainer.predictors[checkpoint.name] for checkpoint in models.values()]
        candidates = candidate_faces(faces)
        total = sum(map(len, candidates.values()))
        scores = {}
        for expression, group in candidates.items():
            parts = []
            for start in range(0, len(group), BATCH):
                images = group.images[start : start + BATCH]
                parts.append(await pool.run(partial(label_scores, predictors, images.numpy(), expression)))
                self.progress += len(images) / total
            scores[expression] = np.concatenate(parts)
        self.figures = await pool.run(partial(chosen_figures, explainer, models, candidates, scores))


def _drawn(figure: SupplementFigure, file_format: FigureFormat) -> bytes:
    from app.drawing.figure import draw_figure

    return draw_figure(figure.explained, file_format)
