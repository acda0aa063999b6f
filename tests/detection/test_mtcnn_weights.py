"""The networks that are served are those of the package they were converted from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.detection.mtcnn import WEIGHTS
from benchmarks.convert_mtcnn import NETWORKS, converted, package_folder
from model.onnx_session import open_session
from tests.pictures import portrait

LOOKED_AT = {"proposal": (1, 61, 84), "refine": (5, 24, 24), "output": (5, 48, 48)}
# In the package's files: the probabilities, the offsets, the landmarks.
OUTPUTS = {"proposal": ("softmax", "conv2d_4"), "refine": ("softmax_1", "dense_2"), "output": ("softmax_2", "dense_5", "dense_6")}


def looked_at(name: str) -> NDArray[np.uint8]:
    """Pieces of the portrait, and noise, in the shape that a network takes."""
    count, height, width = LOOKED_AT[name]
    pixels = np.asarray(portrait())
    pieces = [pixels[60 + 30 * i : 60 + 30 * i + height, 190 : 190 + width] for i in range(count)]
    noise = np.random.default_rng(0).integers(0, 256, (count, height, width, 3))
    return np.stack(pieces if count == 1 else [*pieces[1:], noise[0]]).astype(np.uint8)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_converted_network_answers_as_the_package_s_own(name: str) -> None:
    pixels = looked_at(name)
    package = open_session(package_folder() / f"{NETWORKS[name].file}.onnx")
    normalised = ((pixels.astype(np.float32) - 127.5) / 128).transpose(0, 2, 1, 3)
    probabilities, *others = package.run(OUTPUTS[name], {package.get_inputs()[0].name: np.ascontiguousarray(normalised)})
    found = open_session(WEIGHTS / f"{name}.onnx").run(None, {"pixels": pixels})[0]
    if name == "proposal":  # (1, x, y, channels) in the package
        probabilities, *others = (values.transpose(0, 2, 1, 3) for values in (probabilities, *others))
        found = found.transpose(0, 2, 3, 1)
    assert 1 / (1 + np.exp(-found[..., 0])) == pytest.approx(probabilities[..., 1], abs=1e-5)
    assert found[..., 1:] == pytest.approx(np.concatenate(others, axis=-1), abs=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_files_are_what_the_script_writes(name: str, tmp_path: Path) -> None:
    again = tmp_path / f"{name}.onnx"
    again.write_bytes(converted(NETWORKS[name]).SerializeToString())
    first, second = (open_session(path).run(None, {"pixels": looked_at(name)})[0] for path in (WEIGHTS / again.name, again))
    assert second == pytest.approx(first, abs=1e-6)
