"""Calls of the REST API in process, and pictures to send."""

from __future__ import annotations

import io
from typing import Any

import httpx2
import numpy as np
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image

EXPLANATIONS = "/api/v1/explanations"


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def made_face(seed: int = 0) -> NDArray[np.uint8]:
    """A grey ``(48, 48)`` picture."""
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8))
    return np.asarray(small.resize((48, 48), Image.Resampling.BICUBIC))


def post(client: TestClient, data: bytes, path: str = EXPLANATIONS, **query: Any) -> httpx2.Response:
    response: httpx2.Response = client.post(
        path, params={name: str(value) for name, value in query.items()}, files={"image": ("picture", data)}
    )
    return response


def explain(client: TestClient, data: bytes, **query: Any) -> dict[str, Any]:
    response = post(client, data, **query)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def code(response: httpx2.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]
