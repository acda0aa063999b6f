"""From a grey face of 48x48 pixels to the tensor a network takes: one path for training data and for uploads."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

FACE_SIZE = 48  # pixels a side of a FERPlus face


def network_input(faces: Tensor, size: int) -> Tensor:
    """Grey faces as a network's input, without augmentation.

    Args:
        faces: ``(N, 48, 48)``, uint8 or float in 0..255.
        size: input side in pixels.

    Returns:
        ``(N, 3, size, size)`` float32 in 0..255, the grey value in all three channels.
    """
    resized = F.interpolate(faces.unsqueeze(1).float(), size=(size, size), mode="bilinear", align_corners=False)
    return resized.expand(-1, 3, -1, -1)
