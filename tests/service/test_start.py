"""Checkpoints that cannot be used, at the start and at a reload."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from app.explaining.loading import load_explainer
from app.settings import Settings
from model.checkpoints import CheckpointError
from tests.live_server import ROOT, LiveServer, form, part, patiently, png

NAME = "baseline.safetensors"


class Code:
    """Creates a file when it is unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.sentinel,)


def header(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(fields: dict[str, Any], tensors: bytes) -> bytes:
    text = json.dumps(fields).encode()
    return struct.pack("<Q", len(text)) + text + tensors


def with_metadata(data: bytes, **changes: Any) -> bytes:
    fields, tensors = header(data)
    metadata = json.loads(fields["__metadata__"]["unturned"]) | changes
    fields["__metadata__"]["unturned"] = json.dumps(metadata)
    return with_header(fields, tensors)


def moved_offsets(data: bytes) -> bytes:
    fields, tensors = header(data)
    name = next(name for name in fields if name != "__metadata__")
    fields[name]["data_offsets"][1] += len(tensors)
    return with_header(fields, tensors)


def other_tensors(data: bytes, folder: Path, change: Callable[[dict[str, Any]], None]) -> bytes:
    path = folder / "other.safetensors"
    path.write_bytes(data)
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, header(data)[0]["__metadata__"])
    return path.read_bytes()


def flipped_bit(data: bytes) -> bytes:
    changed = bytearray(data)
    changed[-1000] ^= 1
    return bytes(changed)


def not_finite(tensors: dict[str, Any]) -> None:
    next(iter(tensors.values())).view(-1)[0] = float("nan")


# What becomes of the file's bytes, and what the message must say.
DAMAGE: dict[str, tuple[Callable[[bytes, Path], bytes], str]] = {
    "empty": (lambda data, folder: b"", "only 0 bytes"),
    "cut": (lambda data, folder: data[:-100], "."),
    "trailing junk": (lambda data, folder: data + b"junk", "."),
    "header length": (lambda data, folder: struct.pack("<Q", 1 << 60) + data[8:], "header of"),
    "header not JSON": (lambda data, folder: struct.pack("<Q", 8) + b"not json" + data[16:], "metadata"),
    "offsets": (lambda data, folder: moved_offsets(data), "."),
    "architecture": (lambda data, folder: with_metadata(data, network="resnet18"), "do not fit resnet18"),
    "unknown architecture": (lambda data, folder: with_metadata(data, network="nope"), "metadata"),
    "class order": (lambda data, folder: with_metadata(data, classes=["a"]), "classes"),
    "input size": (lambda data, folder: with_metadata(data, input_size=7), "input_size"),
    "extra field": (lambda data, folder: with_metadata(data, surprise=1), "surprise"),
    "missing key": (lambda data, folder: other_tensors(data, folder, lambda tensors: tensors.pop(min(tensors))), "is missing, expected"),
    "extra key": (
        lambda data, folder: other_tensors(data, folder, lambda tensors: tensors.update(x=tensors[min(tensors)].clone())),
        "expected no such tensor",
    ),
    "not a number": (lambda data, folder: other_tensors(data, folder, not_finite), "NaN"),
    "pickle": (lambda data, folder: pickle.dumps(Code(folder / "sentinel")), "not a safetensors file"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_file(random_checkpoints: Path, tmp_path: Path, case: str) -> None:
    """As an extra file, which no recorded hash protects: refused in one line that names the file."""
    damage, reason = DAMAGE[case]
    path = tmp_path / "extra.safetensors"
    path.write_bytes(damage((random_checkpoints / NAME).read_bytes(), tmp_path))
    with pytest.raises(CheckpointError, match=reason) as caught:
        load_explainer(Settings(checkpoint_dir=random_checkpoints, extra_checkpoints=(path,)))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sentinel").exists()


def shipped(random_checkpoints: Path, folder: Path) -> Path:
    return Path(shutil.copytree(random_checkpoints, folder / "checkpoints"))


@pytest.mark.parametrize("case", ["cut", "pickle"])
def test_damaged_shipped_file(random_checkpoints: Path, tmp_path: Path, case: str) -> None:
    folder = shipped(random_checkpoints, tmp_path)
    (folder / NAME).write_bytes(DAMAGE[case][0]((folder / NAME).read_bytes(), tmp_path))
    with pytest.raises(CheckpointError, match="sha256"):
        load_explainer(Settings(checkpoint_dir=folder))


def test_flipped_bit(random_checkpoints: Path, tmp_path: Path) -> None:
    folder = shipped(random_checkpoints, tmp_path)
    (folder / NAME).write_bytes(flipped_bit((folder / NAME).read_bytes()))
    with pytest.raises(CheckpointError, match=f"{NAME}: sha256"):
        load_explainer(Settings(checkpoint_dir=folder))


def test_wrong_golden_logits(random_checkpoints: Path, tmp_path: Path) -> None:
    folder = shipped(random_checkpoints, tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["checkpoints"]["baseline"]["golden_logits"][2] += 0.01
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="golden"):
        load_explainer(Settings(checkpoint_dir=folder))


def test_names_are_unique(random_checkpoints: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(random_checkpoints / NAME, tmp_path / NAME))
    with pytest.raises(CheckpointError, match="already"):
        load_explainer(Settings(checkpoint_dir=random_checkpoints, extra_checkpoints=(path,)))


def test_files_of_one_name_answer_each_for_itself(random_checkpoints: Path, tmp_path: Path) -> None:
    """In folders of their own they are told apart by the manifest's names."""
    manifest = json.loads((random_checkpoints / "manifest.json").read_text())
    for name, entry in manifest["checkpoints"].items():
        (tmp_path / name).mkdir()
        shutil.copy(random_checkpoints / entry["file"], tmp_path / name / "model.safetensors")
        entry["file"] = f"{name}/model.safetensors"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    face, models = np.arange(48 * 48, dtype=np.uint8).reshape(1, 48, 48), ("baseline", "ours")
    explainers = (load_explainer(Settings(checkpoint_dir=folder)) for folder in (random_checkpoints, tmp_path))
    (expected,), (said,) = (explainer.explain(face, explainer.resolve(models)) for explainer in explainers)
    for name in models:
        assert said[name].maps.checkpoint == expected[name].maps.checkpoint
        np.testing.assert_array_equal(said[name].maps.logits, expected[name].maps.logits)


def assert_no_start(path: Path, **settings: Any) -> str:
    """The command's one line about ``path``."""
    with LiveServer("-m", "app.cli", "serve", **settings) as server:
        assert server.exit_status() == 3
        message = server.stderr()
    assert message.count("\n") == 1
    assert f"{path}: " in message
    return message


@pytest.mark.parametrize("missing", ["manifest.json", NAME])
def test_missing_file(random_checkpoints: Path, tmp_path: Path, missing: str) -> None:
    """Exit status 3 and one line."""
    folder = shipped(random_checkpoints, tmp_path)
    (folder / missing).unlink()
    assert_no_start(folder / missing, checkpoint_dir=folder)


@pytest.mark.parametrize("case", ["cut", "architecture", "pickle"])
def test_damaged_file_ends_the_start(random_checkpoints: Path, tmp_path: Path, case: str) -> None:
    """Exit status 3 and one line."""
    path = tmp_path / "extra.safetensors"
    path.write_bytes(DAMAGE[case][0]((random_checkpoints / NAME).read_bytes(), tmp_path))
    assert_no_start(path, checkpoint_dir=random_checkpoints, extra_checkpoints=path)
    assert not (tmp_path / "sentinel").exists()


def test_flipped_bit_ends_the_start(random_checkpoints: Path, tmp_path: Path) -> None:
    """Likewise."""
    folder = shipped(random_checkpoints, tmp_path)
    (folder / NAME).write_bytes(flipped_bit((folder / NAME).read_bytes()))
    assert "sha256" in assert_no_start(folder / NAME, checkpoint_dir=folder)


@pytest.fixture
def reloadable(random_checkpoints: Path, tmp_path: Path) -> Iterator[tuple[LiveServer, Path]]:
    folder = shipped(random_checkpoints, tmp_path)
    extra = Path(shutil.copy(folder / NAME, tmp_path / "extra.safetensors"))
    with LiveServer("-m", "app.cli", "serve", checkpoint_dir=folder, extra_checkpoints=extra) as server:
        yield server.wait_until_ready(), folder


def test_reload(reloadable: tuple[LiveServer, Path]) -> None:
    """A bad file changes nothing but a counter, a file cut while it serves changes nothing, a good one is taken."""
    server, folder = reloadable
    upload, target = form(part(png())), "/api/v1/explanations?crop=whole"
    first = server.post(upload, target)
    assert first.status == 200
    (folder / NAME).write_bytes((folder / NAME).read_bytes()[:5000])
    server.signal(signal.SIGHUP)
    server.wait_for_metric("unturned_model_reload_failures_total", 1)
    assert server.get("/health/ready").status == 200
    again = server.post(upload, target)
    assert again.json["faces"] == first.json["faces"]
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["checkpoints"]["baseline"] = manifest["checkpoints"]["mek_sf"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    server.signal(signal.SIGHUP)
    server.wait_for_line(event="models reloaded")
    now = server.post(upload, target).json["faces"][0]["explanations"]
    assert now["baseline"]["logits"] == now["ours"]["logits"] == first.json["faces"][0]["explanations"]["ours"]["logits"]


def test_reload_of_every_kind_of_bad_file(reloadable: tuple[LiveServer, Path], tmp_path: Path) -> None:
    """Each is refused and counted, the old models answer as before, and the mended file is taken."""
    server, _ = reloadable
    upload, target = form(part(png())), "/api/v1/explanations?crop=whole&models=baseline,ours,extra"
    first = server.post(upload, target).json["faces"]
    path = tmp_path / "extra.safetensors"
    good = path.read_bytes()
    for count, (damage, _) in enumerate(DAMAGE.values(), 1):
        path.write_bytes(damage(good, tmp_path))
        server.signal(signal.SIGHUP)
        server.wait_for_metric("unturned_model_reload_failures_total", count)
        assert server.get("/health/ready").status == 200
    assert server.post(upload, target).json["faces"] == first
    assert not (tmp_path / "sentinel").exists()
    path.write_bytes(good)
    server.signal(signal.SIGHUP)
    server.wait_for_line(event="models reloaded")
    assert server.post(upload, target).json["faces"] == first


def test_reload_during_uploads(reloadable: tuple[LiveServer, Path]) -> None:
    """Uploads in flight end on the models they began with, here two that change names again and again."""
    server, folder = reloadable
    manifest = json.loads((folder / "manifest.json").read_text())
    checkpoints = manifest["checkpoints"]

    def logits(_: object = None) -> tuple[list[float], ...]:
        answer = server.post(form(part(png())), "/api/v1/explanations?crop=whole")
        assert answer.status == 200
        said = answer.json["faces"][0]["explanations"]
        return said["baseline"]["logits"]["original"], said["ours"]["logits"]["original"]

    one, other = logits()
    seen = set()
    for _ in patiently():
        checkpoints["baseline"], checkpoints["mek_sf"] = checkpoints["mek_sf"], checkpoints["baseline"]
        (folder / "manifest.json").write_text(json.dumps(manifest))
        server.signal(signal.SIGHUP)
        with ThreadPoolExecutor(4) as clients:
            answers = list(clients.map(logits, range(8)))
        assert all(answer in ((one, other), (other, one)) for answer in answers)
        seen |= {answer == (one, other) for answer in answers}
        assert server.get("/health/ready").status == 200
        if len(seen) == 2 and sum(line["event"] == "models reloaded" for line in server.lines) > 2:
            return
    raise AssertionError("the models were never exchanged")


NO_FOLDER = """
import sys, tempfile

def nowhere():
    raise FileNotFoundError

tempfile._get_default_tempdir = nowhere
from app.explaining.loading import load_explainer
from app.main import DRAWING_MODULES, LATE_MODULES, import_modules
from app.settings import Settings

import_modules(LATE_MODULES + DRAWING_MODULES)
print(sorted(load_explainer(Settings(checkpoint_dir=sys.argv[1])).checkpoints))
"""


def test_nowhere_to_write(random_checkpoints: Path) -> None:
    """Models load, and what draws figures is imported, where there is no folder for temporary files and no home."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/proc/1/nowhere", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", NO_FOLDER, str(random_checkpoints)]
    ran = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.stdout == "['baseline', 'mek_sf']\n", ran.stderr
