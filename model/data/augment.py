"""Random changes of training faces: batched, on the device of the pictures, drawn anew for every face (kornia)."""

from __future__ import annotations

import math

from kornia.augmentation import (
    AugmentationSequential,
    RandomAffine,
    RandomBrightness,
    RandomContrast,
    RandomErasing,
    RandomHorizontalFlip,
)
from torch import Tensor

from model.preprocessing import network_input

ROTATION_DEGREES = math.degrees(0.2)
SCALE = (0.88, 1.12)
SHIFT = (0.1, 0.1)  # of the side
BRIGHTNESS = (0.8, 1.2)
CONTRAST = (0.8, 1.2)
ERASED_AREA = (0.02, 0.25)  # of the picture, as in the code of EAC


class Augmentation:
    """``full``: rotation, scale, shift, mirror, brightness, contrast, and one erased rectangle for half of the faces; ``erase-mirror``: of
    these, mirror and rectangle; ``erase``: the rectangle alone, as EAC's code has for the picture that it classifies.

    The mirror image that attention consistency needs is taken of the finished tensor, never here.
    """

    def __init__(self, input_size: int, kind: str = "full") -> None:
        self.input_size = input_size
        placed = [RandomAffine(ROTATION_DEGREES, translate=SHIFT, scale=SCALE, padding_mode="border", p=1.0)]
        lit = [RandomBrightness(BRIGHTNESS, p=1.0), RandomContrast(CONTRAST, p=1.0)]
        self._random = AugmentationSequential(
            *(placed if kind == "full" else []),
            *([RandomHorizontalFlip(p=0.5)] if kind != "erase" else []),
            *(lit if kind == "full" else []),
            RandomErasing(scale=ERASED_AREA, value=0.5, p=0.5),
            data_keys=["input"],
        )

    def __call__(self, faces: Tensor) -> Tensor:
        """Grey ``(N, H, H)`` or RGB ``(N, 3, H, H)`` uint8 -> network input ``(N, 3, S, S)`` in 0..255; draws from torch's global
        generator."""
        channels = 1 if faces.ndim == 3 else 3  # grey is changed once, not three times over
        changed: Tensor = self._random(network_input(faces, self.input_size)[:, :channels] / 255)
        return (changed * 255).expand(-1, 3, -1, -1)
