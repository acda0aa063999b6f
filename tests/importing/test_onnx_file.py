"""ONNX files: what is read out of them, where their cells lie, and that each that cannot be taken says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper
from safetensors.torch import save_file
from torch import Tensor, nn

from app.cli import main
from model.certifying.command import FEWEST_FACES, certify
from model.data.rafdb import RAF_ORDER
from model.errors import InputError
from model.importing import onnx_file
from model.importing.imported import ImportedModel, load_model
from model.importing.layouts.onnx_graph import OnnxNetwork
from model.importing.onnx_file import onnx_tensors
from model.importing.probe_faces import load_probe_faces
from model.onnx.export import export_onnx
from model.onnx_session import UNUSABLE_GRAPH, open_session
from tests.made_imports import PUBLISHED, exported, fitted_state, images, make_probe_folder, randomise

NAMED = Path("theirs.onnx")
OPSET = helper.make_opsetid("", 18)


def model_of(
    nodes: list[NodeProto], *weights: TensorProto, channels: int = 3, batch: int | str = "N", outputs: tuple[str, ...] = ("y",)
) -> ModelProto:
    """A graph from pictures ``x`` of 32 pixels."""
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, channels, 32, 32])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        list(weights),
    )
    return helper.make_model(graph, opset_imports=[OPSET], ir_version=10)


def floats(name: str, *shape: int) -> TensorProto:
    values = np.random.default_rng(len(name)).normal(size=shape).astype(np.float32)
    return onnx.numpy_helper.from_array(values, name)


CONV = helper.make_node("Conv", ["x", "w"], ["f"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
W, V, B = floats("w", 4, 3, 3, 3), floats("v", 7, 4), floats("b", 7)
POOL = helper.make_node("GlobalAveragePool", ["f"], ["p"])
FLAT = helper.make_node("Flatten", ["p"], ["q"])
GEMM = helper.make_node("Gemm", ["q", "v", "b"], ["y"], transB=1)


def small() -> ModelProto:
    return model_of([CONV, POOL, FLAT, GEMM], W, V, B)


def filled(tensors: dict[str, Tensor]) -> OnnxNetwork:
    network = OnnxNetwork("graph", 7)
    network.load_state_dict(tensors)
    return network.eval()


def run(file: Path, out: Path, *more: str) -> int:
    checked = ("--unchecked", "--classes", ",".join(RAF_ORDER), *more) if "--probe" not in more else more
    return main(["import", str(file), "--recipe", "onnx", "--name", "theirs", "--out", str(out), *checked])


def test_an_exported_resnet_is_probed_and_has_the_maps_of_the_same_weights_read_by_torchvisions_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from torchvision.models import resnet18

    pictures, network = make_probe_folder(tmp_path / "probe"), resnet18(num_classes=7).eval()
    state = fitted_state("torchvision", "resnet18", load_probe_faces(pictures, 1000), 64)
    network.load_state_dict(state)
    (tmp_path / "a.onnx").write_bytes(exported(network))
    save_file(state, tmp_path / "a.safetensors")
    arguments = ("--size", "64", "--probe", str(pictures), "--accuracy", "0.95")
    assert run(tmp_path / "a.onnx", tmp_path, *arguments, "--colour", "bgr") == 2
    assert "try --colour rgb" in capsys.readouterr().err.splitlines()[-1]
    assert run(tmp_path / "a.onnx", tmp_path, *arguments) == 0
    weights = ["import", str(tmp_path / "a.safetensors"), "--recipe", "torchvision", "--name", "same", "--out", str(tmp_path)]
    assert main([*weights, "--unchecked", "--classes", ",".join(RAF_ORDER), "--size", "64", "--face-size", "48"]) == 0
    ours, same = load_model(tmp_path / "theirs.safetensors"), load_model(tmp_path / "same.safetensors")
    assert isinstance(ours, ImportedModel)
    assert (ours.metadata.maps, ours.metadata.grid) == ("exact", same.metadata.grid)
    x = images(3, 64)
    with torch.inference_mode():
        found, expected = ours.classifier(x), same.classifier(x)
    scale = expected.maps.abs().max().item()
    torch.testing.assert_close(found.maps, expected.maps, atol=1e-5 * scale, rtol=0)
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-5 * scale, rtol=0)
    with pytest.raises(InputError, match="came from an ONNX file"):
        export_onnx(ours, tmp_path / "again.onnx")
    with pytest.raises(InputError, match="certify its weights imported with another recipe"):
        certify(tmp_path / "theirs.safetensors", tmp_path, "typed", FEWEST_FACES)


def test_a_graph_for_one_picture_of_one_size_is_called_picture_by_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.onnx").write_bytes(model_of([CONV, POOL, FLAT, GEMM], W, V, B, batch=1).SerializeToString())
    assert run(tmp_path / "a.onnx", tmp_path, "--size", "64") == 2
    assert "pictures of 32 pixels a side, not 64: give --size 32" in capsys.readouterr().err
    assert run(tmp_path / "a.onnx", tmp_path, "--size", "32") == 0
    with torch.no_grad():
        assert load_model(tmp_path / "theirs.safetensors").classifier(images(3, 32)).logits.shape == (3, 7)


def test_what_the_older_exporter_writes_is_read_too(tmp_path: Path) -> None:
    network = randomise(
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 7))
    )
    torch.onnx.export(network, (torch.zeros(1, 3, 32, 32),), tmp_path / "a.onnx", dynamo=False)
    read, x = filled(onnx_tensors(NAMED, (tmp_path / "a.onnx").read_bytes())), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(read.logits(x), network(x))
        torch.testing.assert_close(read.answer(read.features(x)), network(x))


@pytest.mark.parametrize("axes", [[2, 3], [-1, -2]])
def test_a_mean_and_a_product_are_the_same_ending(axes: list[int]) -> None:
    nodes = [
        CONV,
        helper.make_node("ReduceMean", ["f", "axes"], ["q"], keepdims=0),
        helper.make_node("MatMul", ["q", "v"], ["s"]),
        helper.make_node("Add", ["b", "s"], ["y"]),
    ]
    model = model_of(nodes, W, floats("v", 4, 7), B, onnx.numpy_helper.from_array(np.array(axes, np.int64), "axes"))
    read, x = filled(onnx_tensors(NAMED, model.SerializeToString())), torch.rand(2, 3, 32, 32)
    assert (read.grid(32).first, read.grid(32).step) == (0, 2)
    torch.testing.assert_close(read.answer(read.features(x)), read.logits(x))


def window(kind: str, side: int, stride: int, pad: int, *weight: str, given: str = "x", made: str = "f") -> NodeProto:
    return helper.make_node(kind, [given, *weight], [made], kernel_shape=[side, side], strides=[stride, stride], pads=[pad] * 4)


@pytest.mark.parametrize(
    ("nodes", "channels", "first", "step"),
    [
        ([window("Conv", 7, 2, 3, "seven", made="a"), window("MaxPool", 3, 2, 0, given="a")], 4, 2, 4),
        ([window("Conv", 4, 4, 0, "four", made="a"), window("AveragePool", 2, 2, 0, given="a")], 4, 3, 8),  # centred at 3.5
        ([helper.make_node("SpaceToDepth", ["x"], ["f"], blocksize=4)], 48, 1, 4),  # no window tells, so the cells tile the picture
    ],
)
def test_cells_lie_where_the_windows_put_them(nodes: list[NodeProto], channels: int, first: int, step: int) -> None:
    model = model_of([*nodes, POOL, FLAT, GEMM], floats("seven", 4, 3, 7, 7), floats("four", 4, 3, 4, 4), floats("v", 7, channels), B)
    grid = filled(onnx_tensors(NAMED, model.SerializeToString())).grid(32)
    assert (grid.first, grid.step) == (first, step)


def outside() -> ModelProto:
    model = small()
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], location="weights.bin", length=432)
    model.graph.initializer[0].ClearField("raw_data")
    return model


def branching() -> ModelProto:
    body = helper.make_graph([helper.make_node("Identity", ["f"], ["z"])], "body", [], [helper.make_empty_tensor_value_info("z")])
    choice = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    return model_of([CONV, choice], W, onnx.numpy_helper.from_array(np.array([True]), "c"))


def custom() -> ModelProto:
    return model_of([helper.make_node("Mine", ["x"], ["y"], domain="made.up")])


def ending_in(kind: str) -> ModelProto:
    return model_of(
        [CONV, POOL, FLAT, helper.make_node("Gemm", ["q", "v", "b"], ["s"], transB=1), helper.make_node(kind, ["s"], ["y"])], W, V, B
    )


def flattened() -> ModelProto:
    return model_of([CONV, helper.make_node("Flatten", ["f"], ["q"]), GEMM], W, floats("v", 7, 1024), B)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (outside, r"weights in other files, which are not opened.*external_data=False"),
        (branching, r"branch or a loop.*one straight graph"),
        (custom, r"uses Mine, which is none of ONNX's own"),
        (lambda: ending_in("Softmax"), r"ends in Softmax: export the network without it"),
        (lambda: ending_in("Relu"), r"ends in Relu, not in one linear layer.*recipe of its network"),
        (flattened, r"its last layer reads Conv, not the mean of a feature map"),
        (lambda: model_of([CONV, POOL, FLAT, GEMM], W, V, B, outputs=("y", "f")), r"has 2 outputs: export.*logits"),
        (lambda: model_of([CONV, POOL, FLAT, GEMM], W, V, B, channels=1), r"takes any x 1 x 32 x 32.*three channels"),
        (lambda: model_of([CONV, POOL, FLAT, GEMM], W, V, B, batch=8), r"takes 8 x 3 x 32 x 32.*one picture or any number"),
    ],
)
def test_a_graph_that_cannot_be_taken_says_what_to_do(make: Callable[[], ModelProto], reason: str) -> None:
    with pytest.raises(InputError, match=rf"theirs\.onnx: .*{reason}"):
        onnx_tensors(NAMED, make().SerializeToString())


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda _: b"no graph", lambda _: b""])
def test_a_damaged_file_says_so(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(InputError, match=r"theirs\.onnx: (is damaged or cut short|must take one float32 input)"):
        onnx_tensors(NAMED, damage(small().SerializeToString()))


def test_any_damaged_byte_is_an_answer_in_a_line() -> None:
    whole = small().SerializeToString()
    generator = np.random.default_rng(20231030)
    for _ in range(1500):
        damaged = bytearray(whole)
        damaged[generator.integers(len(whole))] = generator.integers(256)
        try:
            tensors = onnx_tensors(NAMED, bytes(damaged))
        except InputError:
            continue
        assert set(tensors) == {"graph", "weight", "bias", "cells"}


def test_a_file_larger_than_any_graph_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST_GRAPH", 100)
    with pytest.raises(InputError, match=r"theirs\.onnx: has more than 2 GiB"):
        onnx_tensors(NAMED, small().SerializeToString())


def test_arguments_that_do_not_fit_an_onnx_file_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.onnx").write_bytes(small().SerializeToString())
    eight = "neutral,happiness,sadness,surprise,fear,disgust,anger,contempt"
    assert run(tmp_path / "a.onnx", tmp_path, "--size", "32", "--classes", eight) == 2
    assert "7 classes, and 8 are named" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "a.onnx"), "--recipe", "rul", "--name", "a", "--unchecked", "--out", str(tmp_path)]) == 2
    assert "is read with --recipe onnx" in capsys.readouterr().err
    assert run(tmp_path / "a.onnx", tmp_path, "--size", "32", "--weights", "ema") == 2
    assert "an ONNX graph has one alone: leave it out" in capsys.readouterr().err


def test_a_graph_that_asks_for_more_memory_than_there_is_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = onnx.numpy_helper.from_array(np.array([1 << 20, 1 << 12, 1 << 12], np.int64), "shape")
    bomb = [
        helper.make_node("ReduceMax", ["x", "none"], ["one"], keepdims=0),
        helper.make_node("Expand", ["one", "shape"], ["huge"]),
        helper.make_node("ReduceMin", ["huge", "none"], ["least"], keepdims=0),
        helper.make_node("Add", ["f0", "least"], ["f"]),
    ]
    conv = helper.make_node("Conv", ["x", "w"], ["f0"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    none = onnx.numpy_helper.from_array(np.arange(0, dtype=np.int64), "none")
    model = model_of([conv, *bomb, POOL, FLAT, GEMM], W, V, B, shape, none)
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    assert run(tmp_path / "a.onnx", tmp_path, "--size", "32") == 2
    assert "the graph does not run" in capsys.readouterr().err


def test_a_session_opens_no_file_that_a_graph_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that no import wrote, beside which the file lies."""
    monkeypatch.chdir(tmp_path)
    Path("weights.bin").write_bytes(bytes(432))
    Path("a.onnx").write_bytes(outside().SerializeToString())
    for graph in (outside().SerializeToString(), tmp_path / "a.onnx"):
        with pytest.raises(UNUSABLE_GRAPH, match=r"[Ee]xternal data path"):
            open_session(graph)


def test_the_tensors_say_how_large_they_are_and_no_more_classes_than_named() -> None:
    tensors = PUBLISHED["onnx"]()
    assert tensors["graph"].dtype == torch.uint8 and tensors["weight"].shape == (7, 512)
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        OnnxNetwork("graph", 8).load_state_dict(tensors)
