"""Checkpoints survive a round trip, and every damaged or foreign file is refused with one line that names the file and the reason."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save, save_file

from model.checkpoints import CheckpointError, golden_image, load_manifest, plain_twins
from model.expressions import EXPRESSIONS
from model.geometry import ferplus_geometry
from model.networks import network_grid
from model.preprocessing import network_input
from model.reference import golden_logits, load_checkpoint, save_checkpoint
from tests.made_checkpoints import CELLS, INPUT_SIZE, make_checkpoint, make_metadata, random_classifier
from tests.made_results import make_result_fields

ROOT = Path(__file__).resolve().parent.parent
MARKUP = "<img src=x onerror=alert(1)>"
METRICS = make_result_fields()["test"]
GEOMETRY = ferplus_geometry().model_dump(mode="json")


@pytest.fixture
def shipped(random_checkpoints: Path, tmp_path: Path) -> Path:
    """A copy of the shipped folder that a test may damage."""
    return Path(shutil.copytree(random_checkpoints, tmp_path / "checkpoints"))


def load_shipped(folder: Path) -> None:
    for entry in load_manifest(folder).checkpoints.values():
        load_checkpoint(folder / entry.file, entry)


def refusal(call: Callable[[], object], file: str) -> str:
    """The one line a refused file gives, without the file's name, which it must begin with."""
    with pytest.raises(CheckpointError) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line
    path, _, reason = line.partition(": ")
    assert Path(path).name == file
    return reason


def metadata_text(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    text: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["unturned"])
    return text


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a checkpoint's metadata, keeping its tensors."""
    text = metadata_text(path)
    change(text)
    path.write_bytes(save(load_file(path), {"unturned": json.dumps(text)}))


def test_round_trip_keeps_metadata_and_predictions(tmp_path: Path) -> None:
    classifier, metadata = random_classifier(7), make_metadata("mek_sf")
    digest = save_checkpoint(tmp_path / "made.safetensors", classifier, metadata)
    loaded = load_checkpoint(tmp_path / "made.safetensors")
    assert (loaded.name, loaded.sha256, loaded.metadata) == ("made", digest, metadata)
    assert not any(parameter.requires_grad for parameter in loaded.classifier.parameters())
    assert not any(module.training for module in loaded.classifier.modules())
    assert all(tensor.dtype == torch.float32 for tensor in loaded.classifier.state_dict().values() if tensor.is_floating_point())
    images = network_input(torch.randint(0, 256, (4, 48, 48), dtype=torch.uint8), INPUT_SIZE)
    with torch.inference_mode():
        before, after = classifier(images), loaded.classifier(images)
    # half precision has 11 bits: a relative error of 2^-12 a weight
    torch.testing.assert_close(after.logits, before.logits, atol=0.03, rtol=0.01)
    assert list(tmp_path.iterdir()) == [tmp_path / "made.safetensors"]


def test_a_positional_head_comes_back(tmp_path: Path) -> None:
    loaded = make_checkpoint(tmp_path / "rul.safetensors", 0, head="positional")
    assert loaded.classifier.head.weight.shape == (7, 256, CELLS, CELLS)


def test_shipped_checkpoints_load(random_checkpoints: Path) -> None:
    manifest = load_manifest(random_checkpoints)
    assert manifest.ours == "mek_sf"
    load_shipped(random_checkpoints)


@pytest.mark.parametrize("path", sorted((ROOT / "checkpoints").glob("*.safetensors")), ids=lambda path: path.stem)
def test_maps_of_this_repository_are_coarse(path: Path) -> None:
    """At most 7x7 cells: finer maps would tell more of a face, and of the model, to whoever asks often."""
    said = metadata_text(path)
    grid = network_grid(said["network"], said["input_size"])
    assert 5 <= 1 + (grid.input - 1 - 2 * grid.first) // grid.step <= 7


def test_golden_image_is_as_described() -> None:
    image = golden_image()
    assert image.shape == (1, 48, 48) and image.dtype == np.uint8
    assert image[0, 5, 9] == 7 * 5 + 3 * 9 + 5 * 9 and image[0, 47, 40] == (7 * 47 + 3 * 40 + 47 * 40) % 256


def test_a_missing_checkpoint(shipped: Path) -> None:
    (shipped / "baseline.safetensors").unlink()
    assert "No such file" in refusal(lambda: load_shipped(shipped), "baseline.safetensors")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: b"", "only 0 bytes"),
        (lambda data: data[:5], "only 5 bytes"),
        (lambda data: struct.pack("<Q", 1 << 60) + data[8:], "header of"),
        (lambda data: struct.pack("<Q", (1 << 20) + 1) + data[8:], "header of"),
        (lambda data: data[:8] + b"#" * 100 + data[108:], "no 'unturned' metadata"),
        (lambda data: data[: len(data) // 2], "deserializing"),
        (lambda data: data + b"junk", "deserializing"),
        (lambda data: data.replace(b'"data_offsets":[0,', b'"data_offsets":[9,', 1), "deserializing"),
    ],
    ids=["empty", "cut in its length", "endless header", "large header", "header not JSON", "cut", "trailing junk", "wrong offsets"],
)
def test_damaged_files_are_refused(tmp_path: Path, damage: Callable[[bytes], bytes], reason: str) -> None:
    path = tmp_path / "made.safetensors"
    make_checkpoint(path, 0)
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    assert reason in refusal(lambda: load_checkpoint(path), "made.safetensors")


def test_offsets_past_the_end_are_refused(tmp_path: Path) -> None:
    header = json.dumps(
        {
            "__metadata__": {"unturned": make_metadata("mek").model_dump_json()},
            "head.bias": {"dtype": "F16", "shape": [7], "data_offsets": [0, 14]},
        }
    )
    path = tmp_path / "past.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + b"\0" * 4)
    refusal(lambda: load_checkpoint(path), "past.safetensors")


def test_one_flipped_bit_is_a_hash_mismatch(shipped: Path) -> None:
    path = shipped / "mek_sf.safetensors"
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    assert "sha256" in refusal(lambda: load_shipped(shipped), "mek_sf.safetensors")


def test_other_golden_logits_are_refused(shipped: Path) -> None:
    entry = load_manifest(shipped).checkpoints["baseline"]
    wrong = entry.model_copy(update={"golden_logits": (entry.golden_logits[0] + 0.01, *entry.golden_logits[1:])})
    assert "golden" in refusal(lambda: load_checkpoint(shipped / entry.file, wrong), "baseline.safetensors")


def test_golden_logits_do_not_depend_on_the_batch_or_the_call(shipped: Path) -> None:
    checkpoint = load_checkpoint(shipped / "baseline.safetensors")
    expected = load_manifest(shipped).checkpoints["baseline"].golden_logits
    for _ in range(2):
        torch.testing.assert_close(golden_logits(checkpoint.classifier, INPUT_SIZE), torch.tensor(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("change", ["missing", "extra", "shape", "NaN", "infinity"])
def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "made.safetensors"
    make_checkpoint(path, 0)
    tensors = load_file(path)
    if change == "missing":
        del tensors["head.bias"]
    elif change == "extra":
        tensors["head.extra"] = torch.zeros(1)
    elif change == "shape":
        tensors["head.bias"] = torch.zeros(8)
    else:
        tensors["head.bias"][3] = float(change)
    save_file(tensors, path, {"unturned": make_metadata("made").model_dump_json()})
    reason = refusal(lambda: load_checkpoint(path), "made.safetensors")
    assert {"missing": "head.bias", "extra": "head.extra", "shape": "head.bias"}.get(change, "holds NaN or infinity") in reason


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("network", "vgg"),
        ("network", "resnet18"),
        ("classes", EXPRESSIONS[::-1]),
        ("classes", EXPRESSIONS[:6]),
        ("minor_classes", ["fear", "contempt"]),
        ("input_size", 20),
        ("input_size", 33),
        ("input_size", "large"),
        ("head", "attention"),
        ("tails", 2),
        ("format", "unturned-2"),
        ("surprise_field", 1),
        ("minor_classes", ["fear", "fear"]),
        ("method", MARKUP),
        ("method", ""),
        ("dataset", MARKUP),
        ("imbalance", "x" * 65),
        ("revision", MARKUP),
        ("seed", -1),
        ("epochs", 0),
        ("training_counts", {}),
        ("training_counts", dict.fromkeys(EXPRESSIONS[:6], 1)),
        ("training_counts", dict.fromkeys(EXPRESSIONS, -1)),
        ("training_counts", dict.fromkeys(EXPRESSIONS, 10**30)),
        ("metrics", {"test": {"overall": "good"}}),
        ("metrics", {"train": None}),
        ("metrics", {"test": METRICS | {"overall": float("nan")}}),
        ("metrics", {"test": METRICS | {"mean": 71.2}}),
        ("metrics", {"test": METRICS | {"faces": 8}}),
        ("metrics", {"test": METRICS | {"confusion": [[1]]}}),
        ("metrics", {"test": METRICS | {"per_class": {MARKUP: 0.5}}}),
        ("hyperparameters", {MARKUP: 1}),
        ("hyperparameters", {"lr": float("inf")}),
        ("hyperparameters", {"lr": [1]}),
        ("hyperparameters", {"settings": {"deeper": {"still": 1}}}),
        ("hyperparameters", {"note": "x" * 1001}),
        ("geometry", GEOMETRY | {"box_size": 0.0}),
        ("geometry", GEOMETRY | {"box_centre": [float("nan"), 0.5]}),
        ("geometry", GEOMETRY | {"landmarks": {}}),
        ("geometry", GEOMETRY | {"ellipse": [0.5, 0.5, -1.0, 0.5]}),
    ],
)
def test_foreign_metadata_is_refused(random_checkpoints: Path, tmp_path: Path, field: str, value: object) -> None:
    path = Path(shutil.copy(random_checkpoints / "baseline.safetensors", tmp_path / "made.safetensors"))
    rewrite(path, lambda text: text.update({field: value}))
    assert field in refusal(lambda: load_checkpoint(path), "made.safetensors").replace(" ", "_") or field in {"network", "tails"}


@pytest.mark.parametrize("name", ["<b>.safetensors", "a,b.safetensors", "a b.safetensors", "é.safetensors", f"{'x' * 65}.safetensors"])
def test_a_file_whose_name_cannot_be_a_models_is_refused(tmp_path: Path, name: str) -> None:
    """Names stand in addresses, in lists with commas, and on pages."""
    (tmp_path / name).touch()
    assert "rename the file" in refusal(lambda: load_checkpoint(tmp_path / name), name)


def test_what_is_no_regular_file_is_refused(shipped: Path) -> None:
    """To open a pipe that nobody writes to would never end."""
    for name in ("baseline.safetensors", "manifest.json"):
        (shipped / name).unlink()
        os.mkfifo(shipped / name)
    assert "it is no regular file" in refusal(lambda: load_checkpoint(shipped / "baseline.safetensors"), "baseline.safetensors")
    assert "it is no regular file" in refusal(lambda: load_manifest(shipped), "manifest.json")
    assert "Is a directory" in refusal(lambda: load_checkpoint(shipped), shipped.name)


def test_missing_metadata_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "made.safetensors"
    make_checkpoint(path, 0)
    rewrite(path, lambda text: text.pop("geometry"))
    assert "geometry" in refusal(lambda: load_checkpoint(path), "made.safetensors")
    save_file(load_file(path), path)
    assert "metadata" in refusal(lambda: load_checkpoint(path), "made.safetensors")


class _Bomb:
    """Pickled data that would write a file when read."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.sentinel,)


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize("writer", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_pickles_are_refused_unread(tmp_path: Path, name: str, writer: Callable[[object, object], None]) -> None:
    sentinel = tmp_path / "executed"
    with (tmp_path / name).open("wb") as file:
        writer(_Bomb(sentinel), file)
    refusal(lambda: load_checkpoint(tmp_path / name), name)
    assert not sentinel.exists()
    pickle.loads(pickle.dumps(_Bomb(sentinel)))
    assert sentinel.exists()  # the sentinel would have shown


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "{",
        lambda text: text.replace('"ours": "mek_sf"', '"ours": "mek"'),
        lambda text: text.replace('"golden_logits"', '"logits"'),
        lambda text: "[]",
        lambda text: text.replace('"golden_logits": [', '"golden_logits": [0.5,'),
        lambda text: text.replace('"sha256": "', '"sha256": "x'),
        lambda text: text.replace('"baseline"', '"<b>"'),
    ],
)
def test_broken_manifests_are_refused(shipped: Path, change: Callable[[str], str]) -> None:
    path = shipped / "manifest.json"
    path.write_text(change(path.read_text()))
    refusal(lambda: load_manifest(shipped), "manifest.json")


def test_a_missing_manifest(tmp_path: Path) -> None:
    assert "No such file" in refusal(lambda: load_manifest(tmp_path), "manifest.json")


def test_a_loaded_checkpoint_does_not_depend_on_its_file(tmp_path: Path) -> None:
    path = tmp_path / "made.safetensors"
    checkpoint = make_checkpoint(path, 0)
    before = golden_logits(checkpoint.classifier, INPUT_SIZE)
    path.write_bytes(b"")  # a mapped file would now kill the process
    assert torch.equal(golden_logits(checkpoint.classifier, INPUT_SIZE), before)


def test_a_twin_was_trained_plainly_on_the_same_faces_for_as_many_epochs() -> None:
    plain = make_metadata("baseline")
    longer, elsewhere = plain.model_copy(update={"epochs": 30}), plain.model_copy(update={"imbalance": "150"})
    mek = make_metadata("mek")
    models = {"a": plain, "b": plain, "longer": longer, "elsewhere": elsewhere}
    models |= {"mek": mek, "mek_30": mek.model_copy(update={"epochs": 30}), "mek_60": mek.model_copy(update={"epochs": 60})}
    models |= {"mek_150": mek.model_copy(update={"imbalance": "150"}), "rafdb": mek.model_copy(update={"dataset": "rafdb"})}
    twins = {"a": "a", "b": "a", "longer": "longer", "elsewhere": "elsewhere", "mek": "a", "mek_30": "longer", "mek_150": "elsewhere"}
    assert plain_twins(models) == twins
