"""A data set in the form of FERPlus, its faces noise, each labelled by ten annotators who agree."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from model.data.ferplus import SPLITS, VOTE_COLUMNS, VOTES_FILE
from model.expressions import EXPRESSIONS


def write_ferplus(folder: Path, **faces: int) -> Path:
    """As many faces of a split (train, valid or test) as are named, every expression in turn; returns the folder."""
    random = np.random.default_rng(1)
    rows = [",".join(["Usage", "Image name", *VOTE_COLUMNS])]
    for split, count in faces.items():
        usage, pictures = SPLITS[split]
        (folder / pictures).mkdir()
        for number in range(count):
            name, label = f"fer{len(rows):07}.png", EXPRESSIONS[number % len(EXPRESSIONS)]
            coarse = random.integers(0, 256, (8, 8), dtype=np.uint8)
            cv2.imwrite(str(folder / pictures / name), cv2.resize(coarse, (48, 48)))
            rows.append(",".join([usage, name, *("10" if column == label else "0" for column in VOTE_COLUMNS)]))
    (folder / VOTES_FILE).write_text("\n".join(rows) + "\n")
    return folder
