"""What a request asks for, checked."""

from __future__ import annotations

from dataclasses import dataclass

from app.choices import MAX_FACES, Gauge, MapMethod
from app.detection.asked_crop import Crop


@dataclass(frozen=True)
class ExplainOptions:
    """What a request asks for beside its models; see the parameters of the REST API."""

    faces: int = MAX_FACES
    method: MapMethod = MapMethod.CAM
    crop: Crop = "detect"
    gauge: Gauge = Gauge.CENTRED
