"""What a request can choose about maps: without the code that makes maps, so that it can be offered before that is loaded."""

from __future__ import annotations

from enum import StrEnum

MAX_FACES = 8  # explained in one picture


def model_names(text: str) -> tuple[str, ...]:
    """The names in a list separated by commas, in its order.

    Raises:
        ValueError: one stands there twice; an answer has one place a name.
    """
    names = tuple(name.strip() for name in text.split(","))
    if len(set(names)) != len(names):
        raise ValueError("a model is named twice")
    return names


class MapMethod(StrEnum):
    """How maps are made: ``cam`` is exact for these networks and the only one whose values are parts of the logits."""

    CAM = "cam"
    GRADCAM = "gradcam"
    GRADCAM_PLUS_PLUS = "gradcam++"
    LAYERCAM = "layercam"
    HIRESCAM = "hirescam"


class Gauge(StrEnum):
    """``centred``: maps, logits and biases against their mean over the classes; ``trained``: as the weights are."""

    CENTRED = "centred"
    TRAINED = "trained"
