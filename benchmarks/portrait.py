"""The picture that the benchmarks of the service use: scikit-image's public-domain portrait of Eileen Collins, at any size."""

from __future__ import annotations

import io

from PIL import Image
from skimage import data


def portrait_jpeg(side: int = 1000) -> bytes:
    """The portrait as a square JPEG of ``side`` pixels; 1000 is one megapixel."""
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).resize((side, side), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
