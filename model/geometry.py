"""Where a face lies in a FERPlus crop: measured once on training faces, used to crop uploads alike and to name places on a map."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")  # left and right as the viewer sees them

Point = tuple[float, float]


class FaceGeometry(BaseModel):
    """Medians over training faces, in units of the crop's side, x to the right and y down from its top left corner.

    ``box_centre`` and ``box_size`` place the detector's box (size: the mean of its width and height); ``landmarks`` are the five points;
    ``ellipse`` is the inner face: centre x, centre y, half width, half height.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    box_centre: Point
    box_size: float
    landmarks: dict[str, Point]
    ellipse: tuple[float, float, float, float]


def ferplus_geometry() -> FaceGeometry:
    """The constants that ``benchmarks/calibrate_crop.py`` measured on FERPlus training faces."""
    path = Path(__file__).parent / "data" / "ferplus_geometry.json"
    return FaceGeometry.model_validate_json(path.read_bytes())
