"""The gallery: its small pictures are its pictures, and a damaged file of stories costs it the stories alone."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.samples import FOLDER, STORIES_FILE, Card, face_gallery, gallery, sample_index, sample_pictures

SIDE = 104  # twice the side a card is drawn at
MODELS = {"baseline": "a", "ours": "b"}
STORY = {"id": "first", "sample": "hopper", "crop": "detect", "expression": "fear", "caption": "Told", "rule": "made"}
FACE = {"id": "first", "face": 3, "expression": "", "caption": "Told of a face", "rule": "made"}
WHOLE: dict[str, Any] = {"models": MODELS, "stories": [STORY], "faces": [FACE]}


@pytest.mark.parametrize("name", sample_index())
def test_each_picture_has_a_thumbnail_of_itself(name: str) -> None:
    card = Card(**sample_index()[name], caption="")
    small = np.asarray(Image.open(FOLDER.parent / card.thumbnail).convert("RGB"), dtype=float)
    whole = Image.open(io.BytesIO(sample_pictures()[name])).convert("RGB")
    assert small.shape == (SIDE, SIDE, 3)
    assert np.abs(small - np.asarray(ImageOps.fit(whole, (SIDE, SIDE)), dtype=float)).mean() < 16


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"{", "field content: Invalid JSON"),
        (b"[]", "field content: Input should be an object"),
        (json.dumps(WHOLE | {"stories": []}).encode(), "field stories: Tuple should have at least 1 item"),
        (
            json.dumps(WHOLE | {"stories": [STORY | {"sample": "nobody"}]}).encode(),
            "field stories.0.sample: Value error, the gallery has no such",
        ),
        (
            json.dumps(WHOLE | {"stories": [STORY | {"expression": "joy"}]}).encode(),
            "field stories.0.expression: Value error, is none of neutral",
        ),
        (json.dumps(WHOLE | {"faces": [FACE | {"face": None}]}).encode(), "field faces.0.face: Input should be a valid integer"),
    ],
)
def test_damaged_stories_are_told_to_the_log_once_and_leave_the_bare_pictures(
    damaged: bytes, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / STORIES_FILE
    path.write_bytes(damaged)
    os.utime(path, ns=(1, 1))
    for _ in range(2):
        assert {name: card.caption for name, card in gallery(tmp_path, MODELS).items()} == {
            name: about["title"] for name, about in sample_index().items()
        }
        assert face_gallery(tmp_path, MODELS) == {}
    (record,) = caplog.records
    assert record.fields["reason"].startswith(f"{path}: {reason}")  # type: ignore[attr-defined]

    path.write_text(json.dumps(WHOLE), encoding="utf-8")
    os.utime(path, ns=(2, 2))
    assert [card.caption for card in gallery(tmp_path, MODELS).values()] == ["Told"]
    assert [card.face for card in face_gallery(tmp_path, MODELS).values()] == [3]
