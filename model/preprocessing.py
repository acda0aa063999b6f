"""From a dataset's face, or an upload cropped like it, to the tensor a network takes; :mod:`model.onnx.predictor` does it in arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


def network_input(faces: Tensor, size: int) -> Tensor:
    """Faces as a network's input, without augmentation.

    Args:
        faces: grey ``(N, H, H)`` or RGB ``(N, 3, H, H)``, uint8 or float in 0..255.
        size: input side in pixels.

    Returns:
        ``(N, 3, size, size)`` float32 in 0..255, a grey value in all three channels.
    """
    channels = faces.unsqueeze(1) if faces.ndim == 3 else faces
    resized = F.interpolate(channels.float(), size=(size, size), mode="bilinear", align_corners=False)
    return resized.expand(-1, 3, -1, -1)


@dataclass(frozen=True)
class FaceCrops:
    """N cropped faces as the networks here take them, and as others do.

    Args:
        grey: ``(N, 48, 48)`` uint8.
        cut: the same faces in colour, ``(N, 3, side, side)`` uint8 RGB, for a side in pixels; None where there are only the grey ones.
    """

    grey: Tensor
    cut: Callable[[int], Tensor] | None = None

    def __len__(self) -> int:
        return len(self.grey)

    def rgb(self, side: int) -> Tensor:
        """``(N, 3, side, side)`` float32 RGB in 0..255; the grey faces, resized, where there is no colour."""
        if self.cut is not None:
            return self.cut(side).float()
        return resized(self.grey.unsqueeze(1).float(), side).expand(-1, 3, -1, -1)


def resized(pictures: Tensor, side: int) -> Tensor:
    """Square pictures ``(N, C, S, S)`` float as ``(N, C, side, side)``: bilinear, over the area of a pixel where they shrink."""
    if pictures.shape[-1] == side:
        return pictures
    return F.interpolate(pictures, size=(side, side), mode="bilinear", align_corners=False, antialias=pictures.shape[-1] > side)
