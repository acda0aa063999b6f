"""Examples of the API's answers, for its documentation. Their shapes are checked by a test; maps are shortened to 2x2 cells."""

from __future__ import annotations

from typing import Any

from model.expressions import EXPRESSIONS, MINOR_CLASSES

_GRID = {"first": 17, "step": 16, "input": 99}
_BIAS = [0.5, 0.25, 0.0, 0.0, -0.25, -0.25, -0.25]
_LOGITS = [-0.5, 6.25, -1.0, -1.5, -1.25, -1.0, -1.0]
_PROBABILITIES = [0.001, 0.996, 0.001, 0.0, 0.001, 0.001, 0.0]
_PATTERN = ((0.0, 0.0), (1.5, -1.5))
_MAPS = [[[logit - bias + cell for cell in row] for row in _PATTERN] for logit, bias in zip(_LOGITS, _BIAS, strict=True)]


def _explanation(checkpoint: str) -> dict[str, Any]:
    views = ("original", "flipped")
    return {
        "checkpoint": checkpoint,
        "map_kind": "exact",
        "classes": list(EXPRESSIONS),
        "minor_classes": list(MINOR_CLASSES),
        "predicted": "happiness",
        "predicted_flipped": "happiness",
        "total_variation": 0.0,
        "two_views": {"predicted": "happiness", "probabilities": _PROBABILITIES},
        "bias": _BIAS,
        "grid": _GRID,
        "logits": dict.fromkeys(views, _LOGITS),
        "probabilities": dict.fromkeys(views, _PROBABILITIES),
        "maps": dict.fromkeys(views, _MAPS),
        "consistency": {
            name: {"pearson": 0.93, "mse": 0.02, "relative_mse": 0.05, "iou": 0.8, "own_symmetry": 0.7} for name in EXPRESSIONS
        },
        "cues": [
            {
                "class": "fear",
                "place": "mouth",
                "evidence": 0.125,
                "share": 0.75,
                "peak": [1, 0],
                "mirror_agrees": True,
                "sentence": "It finds 0.1 logits of evidence of fear at the mouth.",
            },
            {
                "class": "disgust",
                "place": None,
                "evidence": 0.0,
                "share": 0.0,
                "peak": None,
                "mirror_agrees": False,
                "sentence": "It finds no evidence of disgust.",
            },
        ],
    }


EXPLANATION: dict[str, Any] = {
    "request_id": "6f1b0c3c9a7d4b2e8f5a1d3c7b9e0f42",
    "image": {"width": 512, "height": 512},
    "faces_found": 1,
    "warnings": [],
    "faces": [
        {
            "box": [172.0, 64.0, 106.0, 124.0],
            "score": 0.99,
            "landmarks": {
                "left_eye": [202.0, 112.0],
                "right_eye": [247.0, 110.0],
                "nose": [228.0, 136.0],
                "mouth_left": [208.0, 156.0],
                "mouth_right": [248.0, 154.0],
            },
            "crop": [164.0, 62.0, 122.0, 122.0],
            "source": "detected",
            "summary": ["Both models see happiness, on the face and on its mirror image."],
            "most_changed": "happiness",
            "explanations": {"baseline": _explanation("baseline"), "ours": _explanation("cac")},
        }
    ],
}

MODELS: dict[str, Any] = {
    "ours": "cac",
    "models": [
        {
            "name": name,
            "sha256": "0" * 64,
            "grid": _GRID,
            "mirror_floor": floor,
            "metadata": {"method": name, "network": "dlib_resnet", "input_size": 99},
        }
        for name, floor in (("baseline", 0.45), ("cac", 0.19))
    ],
}
