"""Published files are opened without running anything of theirs; each that cannot be says what to do."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from model.errors import InputError
from model.importing.opening import published_tensors, unwrapped

ONE = torch.ones(2)


class Hostile:
    """What it unpickles to is the result of a command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_the_weights_are_taken_out_of_what_training_scripts_save(tmp_path: Path) -> None:
    content = {
        "epoch": 3,
        "best": np.float64(0.5),
        "args": argparse.Namespace(lr=0.1),
        "model_state_dict": {"module.features.0.weight": ONE},
        "fc_state_dict": {"weight": 2 * ONE},
        "optimizer": {"state": {0: {"momentum": 3 * ONE}}},
    }
    torch.save(content, tmp_path / "a.pth")
    data, tensors = published_tensors(tmp_path / "a.pth")
    assert data == (tmp_path / "a.pth").read_bytes()
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {"features.0.weight": [1, 1], "fc.weight": [2, 2]}


def test_numbers_that_numpy_1_wrote_are_read(tmp_path: Path) -> None:
    content = {"state_dict": {"a.b": ONE}, "best": np.float64(0.5), "done": np.bool_(True), "epoch": np.int32(3), "rate": np.float16(1)}
    content["curve"] = np.zeros(3)
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    written = (tmp_path / "a.pth").read_bytes()
    assert b"cnumpy._core.multiarray\n" in written
    (tmp_path / "a.pth").write_bytes(written.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    assert list(published_tensors(tmp_path / "a.pth")[1]) == ["a.b"]


@pytest.mark.parametrize("envelope", ["state_dict_model", "state_dict", "model", ""])
def test_every_envelope_is_known(envelope: str) -> None:
    prefix = f"{envelope}/" if envelope else ""
    assert list(unwrapped({f"{prefix}a.b": ONE, "optimizer/x": ONE})) == ["a.b"]


@pytest.mark.parametrize("key", ["net", "state/state_dict"])
def test_weights_under_a_key_of_ones_own_are_found_by_their_names(key: str) -> None:
    assert list(unwrapped({f"{key}/module.a.b": ONE, "optimizer/state/0/exp_avg": ONE, "epoch": ONE})) == ["a.b"]


@pytest.mark.parametrize("prefix", ["model.", "module.model.", "_orig_mod.", "module._orig_mod.", "net.backbone."])
def test_what_wrappers_put_before_every_name_is_left_out(prefix: str) -> None:
    wrapped = {f"{prefix}conv1.weight": ONE, f"{prefix}fc.weight": ONE, "n_averaged": ONE}
    assert list(unwrapped(wrapped)) == ["conv1.weight", "fc.weight"]


def test_of_averaged_weights_and_the_last_ones_the_user_chooses() -> None:
    both = {"state_dict/conv.weight": ONE, "state_dict/fc.weight": ONE}
    both |= {"state_dict_ema/module.conv.weight": 2 * ONE, "state_dict_ema/module.fc.weight": 2 * ONE}
    with pytest.raises(InputError, match=r"under state_dict \(2 tensors\), state_dict_ema \(2 tensors\): say with --weights which"):
        unwrapped(both)
    chosen = unwrapped(both, "state_dict_ema")
    assert {name: tensor.tolist() for name, tensor in chosen.items()} == {"conv.weight": [2, 2], "fc.weight": [2, 2]}


@pytest.mark.parametrize(("one", "other"), [("model_state_dict", "best_model_state_dict"), ("state_dict", "swa_state_dict")])
def test_of_two_sets_of_weights_for_the_same_layers_the_user_chooses(one: str, other: str) -> None:
    both = {f"{one}/conv.weight": ONE, f"{one}/fc.weight": ONE, f"{other}/module.conv.weight": 2 * ONE, f"{other}/module.fc.weight": ONE}
    first, second = sorted((one, other))
    with pytest.raises(InputError, match=rf"under {first} \(2 tensors\), {second} \(2 tensors\): say with --weights which") as refused:
        unwrapped({**both, "discriminator/conv.weight": ONE})
    assert "discriminator" not in str(refused.value)
    assert unwrapped(both, other)["conv.weight"].tolist() == [2, 2]


@pytest.mark.parametrize(("name", "shape"), [("conv.bias", 2), ("fc.weight", 3)])
def test_another_network_beside_known_weights_is_left_out(name: str, shape: int) -> None:
    both = {"model/conv.weight": ONE, "model/fc.weight": ONE, "decoder/conv.weight": 2 * ONE, f"decoder/{name}": torch.ones(shape)}
    assert unwrapped(both)["conv.weight"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("beginning", "reason"),
    [
        (b"<!DOCTYPE html><title>Virus scan warning</title>", "a web page"),
        (b"<html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"anything", "is no file of torch.save"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(beginning: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(beginning)
    with pytest.raises(InputError, match=reason) as refused:
        published_tensors(tmp_path / "a.pth")
    assert "asks for code" not in str(refused.value)


def test_a_safetensors_file_whose_length_reads_as_a_letter_is_read(tmp_path: Path) -> None:
    """The file begins with how long its head is: 60 bytes are a ``<``."""
    head = b'{"a.b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", 60) + head.ljust(60) + struct.pack("<f", 1))
    assert published_tensors(tmp_path / "a.safetensors")[1]["a.b"].tolist() == [1]


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_torchscript_archive_is_refused_with_what_to_save_instead(tmp_path: Path) -> None:
    torch.jit.trace(torch.nn.Linear(2, 2), ONE).save(tmp_path / "a.pt")  # type: ignore[no-untyped-call]
    with pytest.raises(InputError, match=r"TorchScript archive.*torch\.jit\.load\(FILE\)\.state_dict\(\)"):
        published_tensors(tmp_path / "a.pt")


def test_pytorch_is_found_by_the_process_that_opens_where_it_is_found_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of clusters put packages on PYTHONPATH."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "sitecustomize.py").write_text(f"open({str(tmp_path / 'seen')!r}, 'w').close()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    torch.save({"a.b": ONE}, tmp_path / "a.pth")
    assert list(published_tensors(tmp_path / "a.pth")[1]) == ["a.b"]
    assert (tmp_path / "seen").exists()


def test_a_process_that_cannot_open_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch is not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    torch.save({"a.b": ONE}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"ended \(1; ImportError: libtorch is not here\)"):
        published_tensors(tmp_path / "a.pth")


def test_limits_that_are_lower_already_stay(tmp_path: Path) -> None:
    program = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
from model.importing.restricted import forbid_opening
forbid_opening(1 << 30, 300)
print(resource.getrlimit(resource.RLIMIT_CPU))
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "(20, 20)\n"


def test_two_networks_in_a_file_are_named(tmp_path: Path) -> None:
    torch.save({"student": {"a.b": ONE}, "teacher": {"a.b": ONE, "c.d": ONE}}, tmp_path / "a.pth")
    with pytest.raises(
        InputError, match=r"a\.pth: holds weights under student \(1 tensors\), teacher \(2 tensors\), of which none is known"
    ):
        published_tensors(tmp_path / "a.pth")


def test_a_file_without_a_tensor_says_so(tmp_path: Path) -> None:
    save_file({}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"a\.safetensors: holds no tensor: .*save its weights alone"):
        published_tensors(tmp_path / "a.safetensors")


def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    torch.save({"state_dict": Hostile(mark)}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth: refused, nothing of it was run.*system.*save its weights alone"):
        published_tensors(tmp_path / "a.pth")
    assert not mark.exists()


def test_a_pickled_module_is_refused_with_what_to_save_instead(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"Linear.*torch\.save\(model\.state_dict\(\)"):
        published_tensors(tmp_path / "a.pth")


# What training scripts keep beside the weights: an object of a class of their own, with arrays in it.
SCRIPT = """
import os, sys
import numpy as np, torch
class Recorder:
    def __init__(self):
        self.losses, self.names, self.best = np.zeros((3, 2)), np.array(["happy", None], dtype=object), torch.ones(3)
class Counter(Recorder):
    __slots__ = ("count",)
    def __init__(self):
        self.count = 1
class Settings(dict):
    pass
class Evil:
    def __reduce__(self):
        return os.system, (f"touch {sys.argv[1]}.ran",)
classes = {f"C{number}": type(f"C{number}", (), {}) for number in range(21)}
globals().update(classes)
weights = {"module.a.b": torch.ones(2)}
named = {"recorder": Recorder(), "counter": Counter(), "words": np.array(["a"]), "best.rate": np.float64(1), "model": np.str_("resnet")}
contents = {
    "weights": {**named, "state_dict": weights},
    "object": Recorder(),
    "arrays": {"state_dict": {"a.b": np.zeros(2)}, "ema": weights},
    "held": {"model": Recorder(), "ema": weights},
    "settings": {"config": Settings(lr=1), "state_dict": weights},
    "evil": {"recorder": Recorder(), "state_dict": weights, "more": Evil()},
    "classes": {**classes, "state_dict": weights},
}
torch.save(contents[sys.argv[2]], sys.argv[1], _use_new_zipfile_serialization=sys.argv[3] == "zip")
"""


def saved_by_a_script(path: Path, key: str = "weights", form: str = "zip") -> Path:
    subprocess.run([sys.executable, "-c", SCRIPT, str(path), key, form], check=True, timeout=60)
    return path


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_objects_of_a_scripts_own_classes_are_passed_over(tmp_path: Path, form: str) -> None:
    _, tensors = published_tensors(saved_by_a_script(tmp_path / "a.pth", form=form))
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {"a.b": [1, 1]}


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("object", "holds no tensor by name but an object of a class of its own; "),
        ("arrays", r"keeps state_dict/a\.b as an array or an object of its own, not as tensors; "),
        ("held", "keeps model as an array or an object of its own, not as tensors; "),
        ("settings", "holds a dict or list of a class of its own, which cannot be passed over; "),
        ("evil", "refused, nothing of it was run: .*system"),
        ("classes", "refused, nothing of it was run: .*more than 20 classes of its own"),
    ],
)
def test_what_is_kept_in_place_of_weights_says_so(tmp_path: Path, key: str, reason: str) -> None:
    path = saved_by_a_script(tmp_path / "a.pth", key)
    with pytest.raises(InputError, match=rf"{reason}.*save its weights alone"):
        published_tensors(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.pth"]


def test_a_truncated_file_says_so(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1000)}}, tmp_path / "a.pth")
    (tmp_path / "a.pth").write_bytes((tmp_path / "a.pth").read_bytes()[:2000])
    with pytest.raises(InputError, match=r"damaged or cut short.*copy or load it again"):
        published_tensors(tmp_path / "a.pth")


def test_a_truncated_safetensors_file_says_so(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1000)}, tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:2000])
    with pytest.raises(InputError, match=r"damaged, or no safetensors file.*load it again"):
        published_tensors(tmp_path / "a.safetensors")


ATTEMPTS = """
import errno, json, os, socket, sys
from model.importing.restricted import forbid_changes, forbid_opening
made = socket.socket()
forbid_changes()
forbid_opening(1 << 30, 60)
def refused(action):
    try:
        action()
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.EACCES, errno.EPERM)
    return False
path = sys.argv[1]
os.close(0)
sys.stdout.write(json.dumps({
    "read": refused(lambda: open(path)), "write": refused(lambda: open(path + ".new", "w")), "socket": refused(socket.socket),
    "truncate": refused(lambda: os.truncate(path, 0)), "tcp": refused(lambda: made.connect(("127.0.0.1", 1))),
    "signal": refused(lambda: os.kill(os.getppid(), 0)), "delete": refused(lambda: os.unlink(path)),
}))
"""


def test_what_gets_past_the_unpickler_can_open_nothing_and_change_what_the_kernel_lets_it(tmp_path: Path) -> None:
    """Opening is refused everywhere, and the rest where the kernel's Landlock, by its version, has a right to refuse."""
    kept = tmp_path / "kept"
    kept.write_text("kept")
    landlock = int(ctypes.CDLL(None).syscall(444, None, 0, 1)) if sys.platform == "linux" else 0
    done = subprocess.run([sys.executable, "-c", ATTEMPTS, str(kept)], capture_output=True, text=True, check=True, timeout=60)
    since = {"read": 0, "write": 0, "socket": 0, "delete": 1, "truncate": 3, "tcp": 4, "signal": 6}
    assert json.loads(done.stdout) == {right: landlock >= version for right, version in since.items()}
