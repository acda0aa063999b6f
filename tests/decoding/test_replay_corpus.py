"""What the replay of a corpus calls right and wrong: the decoder's own pictures, and others."""

from __future__ import annotations

import numpy as np
import pytest

from app.decoding.decoder import DecodeLimits, decode_image
from app.detection.crop import crop_face, square_around
from benchmarks.replay_corpus import ALLOWED_DIFFERENCE, Replay, difference_from_pillow, upright_grey
from tests.pictures import UPLOADS, Upload, encoded, portrait

READABLE = [upload for upload in UPLOADS if upload.code is None]


def whole(data: bytes) -> np.ndarray:
    """What the networks see of a whole picture."""
    pixels = decode_image(data, DecodeLimits()).pixels
    return crop_face(pixels, square_around((0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0]))))


@pytest.mark.parametrize("upload", READABLE, ids=lambda upload: upload.name)
def test_every_readable_picture_is_what_pillow_reads(upload: Upload) -> None:
    data = upload.build()
    assert difference_from_pillow(whole(data), upright_grey(data)) < ALLOWED_DIFFERENCE


@pytest.mark.parametrize("change", [np.fliplr, np.flipud, lambda grey: grey // 2, lambda grey: np.roll(grey, 6, axis=1)])
def test_another_picture_is_told_apart(change: object) -> None:
    data = encoded(portrait(), "PNG")
    changed = change(whole(data))  # type: ignore[operator]
    assert difference_from_pillow(changed, upright_grey(data)) > ALLOWED_DIFFERENCE


@pytest.mark.parametrize(("status", "wrong"), [(415, 0), (422, 0), (413, 0), (500, 1), (503, 1), (0, 1)])
def test_only_refusals_are_right(status: int, wrong: int) -> None:
    seen = Replay()
    seen.note("a", b"", status, b'{"code": "not_an_image"}', 0.1)
    assert len(seen.wrong) == wrong
