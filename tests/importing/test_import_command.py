"""``unturned import``: what it writes, and that each way to be wrong ends in one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import one_hot

from app.cli import main
from model.checkpoints import CheckpointError
from model.data.rafdb import RAF_ORDER
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.importing.imported import ImportedModel, dataset_input, load_model
from model.importing.probe import best_order, wilson
from model.importing.probe_faces import ProbeFaces, load_probe_faces
from tests.made_imports import PUBLISHED, fitted_state, make_probe_folder

SIZE = 64


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_probe_folder(tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="module")
def faces(probe: Path) -> ProbeFaces:
    return load_probe_faces(probe, 1000)


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory: pytest.TempPathFactory, faces: ProbeFaces) -> Path:
    path = tmp_path_factory.mktemp("published") / "resnet18.safetensors"
    save_file(fitted_state("torchvision", "resnet18", faces, SIZE), path)
    return path


def run(published: Path, out: Path, *more: str, recipe: str = "torchvision") -> int:
    if "--unchecked" in more and "--classes" not in more:
        more = (*more, "--classes", ",".join(RAF_ORDER))
    return main(["import", str(published), "--recipe", recipe, "--name", "theirs", "--out", str(out), "--size", str(SIZE), *more])


def test_a_file_that_is_what_it_is_said_to_be_is_imported(
    resnet18: Path, probe: Path, faces: ProbeFaces, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(resnet18, tmp_path, "--probe", str(probe), "--accuracy", "0.95") == 0
    assert "as told" in capsys.readouterr().err
    model = load_model(tmp_path / "theirs.safetensors")
    assert isinstance(model, ImportedModel)
    assert model.metadata.maps == "exact" and model.metadata.identity_error < 1e-5
    assert (model.metadata.face_size, model.metadata.published_classes) == (48, RAF_ORDER)
    assert model.metadata.probe is not None and model.metadata.probe.accuracy == 1.0 and model.metadata.probe.pictures == 42
    with torch.no_grad():
        predicted = model.classifier(dataset_input(model, faces.at(48))).logits.argmax(1)
    assert torch.equal(predicted, faces.labels)  # in the project's order of classes, from RGB


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (5, "the file has 5 classes, and only the seven expressions can be imported, with or without contempt"),
        (8, "the file has 8 classes, and 7 are named: name them in the file's order with --classes"),
        (1000, "of more, first cut the rows of the others out of it"),
        (None, "size mismatch for net.fc.weight"),
    ],
)
def test_a_classifier_of_other_classes_says_what_can_be_done(
    rows: int | None, said: str, resnet18: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weight = torch.tensor(1.0) if rows is None else torch.ones(rows, 512)
    save_file(load_file(resnet18) | {"fc.weight": weight}, tmp_path / "a.safetensors")
    assert run(tmp_path / "a.safetensors", tmp_path, "--unchecked") == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a/b", "--name has at most 64 letters, digits and _ . + -"),
        ("a+b", "missing.pth"),
        ("ours", "--name ours is that of a shipped model"),
        ("baseline", "--name baseline is that of a shipped model"),
    ],
)
def test_a_name_is_one_that_a_served_model_can_have(name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing.pth")
    assert main(["import", missing, "--recipe", "rul", "--name", name, "--unchecked", "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("--colour", "bgr"), "try --colour rgb"),
        (("--classes", "neutral,happiness,sadness,surprise,fear,disgust,anger"), f"is it --classes {','.join(RAF_ORDER)}?"),
    ],
)
def test_a_wrong_colour_order_or_order_of_classes_is_found(
    arguments: tuple[str, ...], advice: str, resnet18: Path, probe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(resnet18, tmp_path, "--probe", str(probe), "--accuracy", "0.95", *arguments) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "95.0 % are stated" in last and advice in last
    assert not (tmp_path / "theirs.safetensors").exists()


def test_eacs_network_read_as_torchvisions_is_found(
    probe: Path, faces: ProbeFaces, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(fitted_state("eac", "resnet50", faces, SIZE), tmp_path / "eac.safetensors")
    arguments = ("--architecture", "resnet50", "--probe", str(probe), "--accuracy", "0.95")
    assert run(tmp_path / "eac.safetensors", tmp_path, *arguments) == 2
    assert "try --recipe eac" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ((), "a file that loads proves nothing"),
        (("--unchecked", "--weights", "ema"), "--weights: there are none under 'ema', but under no key (122 tensors)"),
        (("--unchecked", "--classes", "fear,happiness"), "each once"),
        (("--unchecked", "--classes", "neutral,happiness,sadness,surprise,fear,disgust,anger,contempt"), "7 classes, and 8 are named"),
        (("--unchecked", "--architecture", "resnet50"), "--recipe torchvision --architecture resnet18"),
        (("--unchecked", "--size", "7"), "--size is 32"),
        (("--unchecked", "--face-size", "8"), "16 to 512 pixels a side, not 8: say with --face-size"),
        (("--unchecked", "--mean", "123.675,116.28,103.53"), "not 123.675,116.28,103.53: divide one of 0..255 by 255"),
        (("--unchecked", "--mean", "nan,0,0"), "--mean is of channels in 0..1, not nan,0,0"),
        (("--unchecked", "--std", "0,0,0"), "not 0,0,0: divide one of 0..255 by 255; 1,1,1 is none"),
        (("--unchecked", "--accuracy", ".9"), "leave out --probe and --accuracy"),
        (("--unchecked", "--probe", "faces"), "leave out --probe and --accuracy"),
        (("--accuracy", ".9", "--probe", "faces", "--probe-faces", "0"), "--probe-faces is 20 or more, not 0"),
        (("--accuracy", ".9", "--probe", "faces", "--probe-faces", "19"), "--probe-faces is 20 or more, not 19"),
    ],
)
def test_arguments_that_do_not_fit_say_so(
    arguments: tuple[str, ...], advice: str, resnet18: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(resnet18, tmp_path, *arguments) == 2
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize("recipe", ["dan", "poster", "poster_v2"])
def test_of_two_orders_that_a_repository_publishes_none_is_guessed(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["import", str(tmp_path / "affectnet7.pth"), "--recipe", recipe, "--name", "theirs", "--out", str(tmp_path), "--unchecked"]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert f"--unchecked needs --classes with the recipe {recipe}" in said
    assert "RAF-DB's surprise,fear,disgust," in said and "AffectNet's neutral,happiness,sadness," in said
    assert main([*command, "--classes", ",".join(EXPRESSIONS)]) == 2
    assert "affectnet7.pth: cannot be read" in capsys.readouterr().err  # so it was looked for


def test_a_tag_that_timm_does_not_know_is_refused(resnet18: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--unchecked", "--architecture", "resnet18.a1_in1K")
    assert run(resnet18, tmp_path, *arguments, recipe="timm") == 2
    assert capsys.readouterr().err.endswith("has resnet18, but not as 'resnet18.a1_in1K': give --architecture resnet18\n")
    assert run(resnet18, tmp_path, "--unchecked", "--architecture", "resnet18.a1_in1k", recipe="timm") == 0
    path = tmp_path / "theirs.safetensors"  # as written beside a timm that knows the tag
    path.write_bytes(path.read_bytes().replace(b"resnet18.a1_in1k", b"resnet18.a1_in1K"))
    with pytest.raises(CheckpointError, match=r"theirs\.safetensors: timm .* has resnet18, but not as 'resnet18\.a1_in1K'"):
        load_model(path)


@pytest.mark.parametrize("recipe", ["torchvision", "timm"])
def test_the_order_of_the_classes_of_ones_own_network_is_not_guessed(
    recipe: str, resnet18: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["import", str(resnet18), "--recipe", recipe, "--architecture", "resnet18", "--name", "theirs", "--out", str(tmp_path)]
    assert main([*command, "--unchecked"]) == 2
    assert "whoever trained the network chose their order (torchvision's ImageFolder: anger," in capsys.readouterr().err
    assert main([*command, "--unchecked", "--size", "64", "--classes", ",".join(EXPRESSIONS)]) == 0
    assert "its classes, in this order: neutral, happiness," in capsys.readouterr().out


def test_nothing_but_an_import_is_replaced(resnet18: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = tmp_path / "theirs.safetensors"
    theirs.write_bytes(resnet18.read_bytes())
    assert run(theirs, tmp_path, "--unchecked") == 2
    assert "theirs.safetensors is the very file to import" in capsys.readouterr().err
    assert run(resnet18, tmp_path, "--unchecked") == 2
    assert "theirs.safetensors is there and no import" in capsys.readouterr().err
    assert theirs.read_bytes() == resnet18.read_bytes()
    theirs.unlink()
    assert run(resnet18, tmp_path, "--unchecked") == 0
    assert run(resnet18, tmp_path, "--unchecked") == 0


def test_a_timm_file_of_eight_classes_asks_for_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file(timm.create_model("resnet18", num_classes=8).state_dict(), tmp_path / "a.safetensors")
    assert run(tmp_path / "a.safetensors", tmp_path, "--unchecked", "--architecture", "resnet18", recipe="timm") == 2
    assert "the file has 8 classes, and 7 are named" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--size", "--face-size"])
def test_no_pixels_are_no_size(option: str, resnet18: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(resnet18, tmp_path, "--unchecked", option, "0")
    assert f"{option}: '0' is not a whole number above 0" in capsys.readouterr().err


def test_a_probe_of_pictures_too_small_to_be_training_faces_asks_for_their_size(
    resnet18: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in make_probe_folder(tmp_path / "probe").iterdir():
        for file in folder.iterdir():
            Image.open(file).resize((12, 12)).save(file)
    assert run(resnet18, tmp_path, "--probe", str(tmp_path / "probe"), "--accuracy", "0.95") == 2
    assert "not 12: say with --face-size" in capsys.readouterr().err


def test_a_file_of_another_recipe_names_that_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file({name: tensor.contiguous() for name, tensor in PUBLISHED["rul"]().items()}, tmp_path / "a.safetensors")
    assert run(tmp_path / "a.safetensors", tmp_path, "--unchecked") == 2
    assert "those of: --recipe rul --architecture resnet18" in capsys.readouterr().err


def test_a_file_of_no_recipe_is_told_of_those_that_take_many_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file({"features.0.0.weight": torch.ones(32, 3, 3, 3), "classifier.1.weight": torch.ones(7, 1280)}, tmp_path / "a.safetensors")
    assert run(tmp_path / "a.safetensors", tmp_path, "--unchecked") == 2
    said = capsys.readouterr().err
    assert "--recipe timm, if timm has it, and --recipe onnx, if you export it" in said and "those of" not in said


def test_a_changed_import_is_refused(resnet18: Path, tmp_path: Path) -> None:
    assert run(resnet18, tmp_path, "--unchecked") == 0
    path = tmp_path / "theirs.safetensors"
    assert path.read_bytes().count(b'"colour\\":\\"rgb\\"') == 1
    path.write_bytes(path.read_bytes().replace(b'\\"mean\\":[0.485', b'\\"mean\\":[0.185'))
    with pytest.raises(InputError, match=r"golden image.*import it again"):
        load_model(path)


def test_the_best_order_is_the_assignment_with_most_right() -> None:
    classes = RAF_ORDER
    labels = torch.arange(7).repeat(10)
    permutation = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    order, share = best_order(one_hot(permutation[labels], 7).float(), labels, classes)
    assert share == 1.0
    assert [order[row] for row in permutation.tolist()] == ["neutral", "happiness", "surprise", "sadness", "anger", "fear", "disgust"]


def test_the_row_of_a_class_beyond_the_seven_is_found() -> None:
    """A perfect classifier in AffectNet's order, told alphabetically."""
    rows = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
    labels = torch.arange(7).repeat(10)
    right = torch.tensor([rows.index(name) for name in EXPRESSIONS])[labels]
    order, share = best_order(one_hot(right, 8).float(), labels, tuple(sorted(rows)))
    assert (order, share) == (rows, 1.0)


def test_a_head_of_more_layers_than_the_networks_is_refused(resnet18: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = load_file(resnet18)
    state |= {"fc.3.weight": state.pop("fc.weight"), "fc.3.bias": state.pop("fc.bias")}
    save_file(state | {"fc.0.weight": torch.eye(512), "fc.0.bias": torch.zeros(512)}, tmp_path / "deeper.safetensors")
    assert run(tmp_path / "deeper.safetensors", tmp_path, "--unchecked") == 2
    assert "the tensors fc.0.bias and fc.3.bias would both be the network's net.fc.bias" in capsys.readouterr().err


def test_a_size_that_the_network_does_not_take_is_refused_with_a_probe_too(
    probe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file({name: tensor.contiguous() for name, tensor in PUBLISHED["rul"]().items()}, tmp_path / "a.safetensors")
    assert run(tmp_path / "a.safetensors", tmp_path, "--probe", str(probe), "--accuracy", "0.1", recipe="rul") == 2
    assert "resnet18 takes no input of 64 pixels" in capsys.readouterr().err


def test_an_architecture_that_is_none_of_the_recipes_is_refused(resnet18: Path, tmp_path: Path) -> None:
    assert run(resnet18, tmp_path, "--unchecked") == 0
    path = tmp_path / "theirs.safetensors"
    path.write_bytes(path.read_bytes().replace(b'\\"architecture\\":\\"resnet18', b'\\"architecture\\":\\"vit_b_16'))
    with pytest.raises(CheckpointError, match=r"theirs\.safetensors: the recipe torchvision has no architecture vit_b_16, but resnet18"):
        load_model(path)


def test_wilsons_interval() -> None:
    assert wilson(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(1.0, 20)[0] == pytest.approx(0.8389, abs=1e-4)


def test_of_a_perfect_probe_a_perfect_accuracy_may_be_stated() -> None:
    ends = {(wilson(0.0, count)[0], wilson(1.0, count)[1]) for count in range(1, 2000)}
    assert ends == {(0.0, 1.0)}  # to the last digit


def test_a_probe_of_too_few_faces_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0 labelled faces, and a probe needs 20.*disgust"):
        load_probe_faces(tmp_path, 100)


def test_faces_are_cut_square_and_turned_to_rgb(probe: Path) -> None:
    pictures: Tensor = load_probe_faces(probe, 1000).at(48)
    assert pictures.shape == (42, 3, 48, 48)
    by_label = pictures[load_probe_faces(probe, 1000).labels == 0]
    assert by_label[0, :, 3, 3].tolist() == [250, 20, 20]  # the square of `neutral` is red
