"""What every peer does with a picture: the service's own decoding, detection, explanation and JSON, in the calling thread."""

from __future__ import annotations

from app.api.answers import explanation_answer
from app.choices import COMPARED
from app.decoding.decoder import decode_image, decode_limits
from app.explaining.loading import load_detector, load_explainer
from app.explaining.options import ExplainOptions
from app.explaining.pipeline import explain_image
from app.settings import load_settings


class Handler:
    """Loads everything once; a call turns a picture's bytes into the API's JSON."""

    def __init__(self) -> None:
        settings = load_settings()
        self._limits = decode_limits(settings)
        self._detector, self._explainer = load_detector(settings), load_explainer(settings)

    def __call__(self, data: bytes) -> str:
        image = decode_image(data, self._limits)
        picture = explain_image(image, self._detector, self._explainer, self._explainer.resolve(COMPARED), ExplainOptions())
        return explanation_answer(picture, "peer").model_dump_json()
