"""From a dataset's face, or an upload cropped like it, to the tensor a network takes; :mod:`model.onnx.predictor` does it in arrays."""

from __future__ import annotations

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
    placed = F.interpolate(channels.float(), size=(size, size), mode="bilinear", align_corners=False)
    return placed.expand(-1, 3, -1, -1)


def resized(pictures: Tensor, side: int) -> Tensor:
    """Square pictures ``(N, C, S, S)`` float as ``(N, C, side, side)``: bilinear, over the area of a pixel where they shrink."""
    if pictures.shape[-1] == side:
        return pictures
    return F.interpolate(pictures, size=(side, side), mode="bilinear", align_corners=False, antialias=pictures.shape[-1] > side)
