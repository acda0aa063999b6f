"""The maps of a picture's faces as plain HTML, which a notebook draws as the result of a cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.choices import COMPARED, MAX_FACES, ColourMap, Style
from app.detection.asked_crop import Crop
from app.drawing.colours import as_data_address, overlay
from app.explaining.maps import ExplainedFaces, FaceMaps, ModelMaps, logits_per_cell
from app.notebook.models import Models, asked_models, pictured
from app.notebook.picture_bytes import Picture
from app.numbers import decimal, share_text
from app.pages.templating import templates
from model.expressions import EXPRESSIONS
from model.maps.measures import flip_back, flip_consistency
from model.maps.picture import Floats

SIDE = 160  # of a panel, pixels
STYLE = Style(ColourMap.SIGNED, opacity=0.75)


@dataclass(frozen=True)
class Shown:
    """What models look at on the faces of a picture, for one expression; a notebook draws it as plain HTML that asks for no other file."""

    explained: ExplainedFaces
    expression: str | None

    def _repr_html_(self) -> str:
        faces = [self._face(face) for face in self.explained.faces]
        return templates.env.get_template("notebook.html").render(faces=faces, side=SIDE)

    def _face(self, face: FaceMaps) -> dict[str, object]:
        expression = self.expression or EXPRESSIONS[int(face.models[-1].probabilities[0].argmax())]
        rows = [_row(face, model, EXPRESSIONS.index(expression)) for model in face.models]
        return {"expression": expression, "rows": rows}


def show(
    picture: Picture, models: Models = COMPARED, expression: str | None = None, crop: Crop = "detect", faces: int = MAX_FACES
) -> Shown:
    """Explain the faces of a picture.

    Args:
        picture: of one face or several.
        models: at least one, each with a name of its own; see :func:`app.notebook.models.asked_models`.
        expression: whose maps to draw; by default the one that the last model names.
        crop: where the faces are.
        faces: most faces explained, the largest.

    Raises:
        ValueError: there is no such expression, or a model stands twice in a text.
        InputError: no model, two of one name, or one that there is not; an array that is no picture.
        Problem: whatever is wrong with the picture or the crop; no face, say.
    """
    if expression is not None and expression not in EXPRESSIONS:
        raise ValueError(f"no expression {expression!r}: choose one of {', '.join(EXPRESSIONS)}")
    explained = pictured(picture, asked_models(models), crop, faces, lambda said: said.as_faces())
    return Shown(explained, expression)


def _row(face: FaceMaps, model: ModelMaps, index: int) -> dict[str, object]:
    maps, mirrored = model.maps[:, index]
    consistency = float(flip_consistency(maps, flip_back(mirrored)))
    original, mapped_back = logits_per_cell(maps), logits_per_cell(flip_back(mirrored))
    limit = float(np.abs(logits_per_cell(model.maps)).max())
    panels = {"the face": original, "its mirror image, flipped back": mapped_back, "difference": original - mapped_back}
    answers = [EXPRESSIONS[int(view.argmax())] for view in model.probabilities]
    return {
        "title": model.title,
        "answers": answers,
        "shares": [share_text(float(view[index])) for view in model.probabilities],
        "flip_consistency": "not defined: a map is flat" if np.isnan(consistency) else decimal(consistency, 2),
        "panels": {name: _address(face, model, cells, limit) for name, cells in panels.items()},
    }


def _address(face: FaceMaps, model: ModelMaps, cells: Floats, limit: float) -> str:
    return as_data_address(overlay(face.picture, cells, model.grid, limit, STYLE, SIDE))
