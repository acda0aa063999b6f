"""Where a face lies in a dataset's crops: measured once on training faces, used to crop uploads alike and to name places on a map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.errors import InputError
from model.files.json_file import load_json

FACE_SIZE = 48  # pixels a side of a FERPlus face, grey
RAFDB_FACE_SIZE = 100  # of an aligned RAF-DB face, colour
LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")  # left and right as the viewer sees them

Point = tuple[float, float]

# in units of a crop's side; what lies farther away, or is smaller, is no face in a crop
_Place = Annotated[float, Field(ge=-1.0, le=2.0)]
_Size = Annotated[float, Field(ge=0.01, le=10.0)]


class FaceGeometry(BaseModel):
    """Medians over training faces, in units of the crop's side, x to the right and y down from its top left corner.

    ``box_centre`` and ``box_size`` place the detector's box (size: the mean of its width and height); ``landmarks`` are the five points;
    ``ellipse`` is the inner face (:func:`inner_face`): centre x, centre y, half width, half height. ``how_found`` says what was
    measured on what, ``faces`` how many of each expression were looked at, ``detection_rate`` in what share of them a face was found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    box_centre: tuple[_Place, _Place]
    box_size: _Size
    landmarks: dict[str, tuple[_Place, _Place]]
    ellipse: tuple[_Place, _Place, _Size, _Size]
    how_found: Annotated[str, Field(max_length=1000)]
    faces: dict[str, Annotated[int, Field(ge=0)]]
    detection_rate: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]]

    @model_validator(mode="after")
    def _has_every_landmark(self) -> Self:
        if set(self.landmarks) != set(LANDMARKS):
            raise ValueError(f"the landmarks are {', '.join(LANDMARKS)}")
        return self


def inner_face(landmarks: dict[str, Point]) -> tuple[float, float, float, float]:
    """The ellipse around brows, cheeks and mouth that five landmarks imply, in their units.

    With d the distance between the eyes' centres, and v that between the middle of the eyes and the middle of the mouth's corners: from
    0.6 v above the eyes to 0.5 v below the mouth, 2 d wide, upright. An adult's face is about 2.1 d wide at the cheek bones and 0.6 to
    0.7 v lie between mouth and chin: brows, eyes, nose, cheeks and mouth are inside; ears, hair, most of the forehead and background are
    outside.

    Returns:
        Centre x, centre y, half width, half height.
    """
    points = {name: np.array(point) for name, point in landmarks.items()}
    eyes = (points["left_eye"] + points["right_eye"]) / 2
    mouth = (points["mouth_left"] + points["mouth_right"]) / 2
    between_eyes = float(np.linalg.norm(points["right_eye"] - points["left_eye"]))
    eyes_to_mouth = float(np.linalg.norm(mouth - eyes))
    centre = (eyes + mouth) / 2 - 0.05 * (mouth - eyes)
    return float(centre[0]), float(centre[1]), between_eyes, 1.05 * eyes_to_mouth


def load_geometry(path: Path) -> FaceGeometry:
    """What ``benchmarks/calibrate_crop.py`` has written.

    Raises:
        InputError: no such file, or another kind of file.
    """
    return load_json(path, FaceGeometry, InputError)


def ferplus_geometry() -> FaceGeometry:
    """The constants that ``benchmarks/calibrate_crop.py`` measured on FERPlus training faces."""
    path = Path(__file__).parent / "data" / "ferplus_geometry.json"
    return FaceGeometry.model_validate_json(path.read_bytes())
