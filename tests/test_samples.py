"""The gallery's small pictures are its pictures, small."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.samples import FOLDER, Card, sample_index, sample_pictures

SIDE = 104  # twice the side a card is drawn at


@pytest.mark.parametrize("name", sample_index())
def test_each_picture_has_a_thumbnail_of_itself(name: str) -> None:
    card = Card(**sample_index()[name], caption="")
    small = np.asarray(Image.open(FOLDER.parent / card.thumbnail).convert("RGB"), dtype=float)
    whole = Image.open(io.BytesIO(sample_pictures()[name])).convert("RGB")
    assert small.shape == (SIDE, SIDE, 3)
    assert np.abs(small - np.asarray(ImageOps.fit(whole, (SIDE, SIDE)), dtype=float)).mean() < 16
