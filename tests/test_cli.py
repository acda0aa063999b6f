"""The ``unturned`` command: its help, its exit status, and its errors on one line."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from app.cli import main
from app.commands import figure as figure_command
from app.drawing.saved_maps import read_maps
from model.errors import InputError
from tests.live_server import ROOT

COMMANDS = (
    "serve",
    "train",
    "evaluate",
    "reproduce",
    "tables",
    "compare",
    "claims",
    "certify",
    "figure",
    "explain",
    "stories",
    "audit",
    "import",
    "export",
)


@pytest.fixture
def models(random_checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))


@pytest.fixture
def portrait(tmp_path: Path, astronaut_jpeg: bytes) -> Path:
    path = tmp_path / "astronaut.jpg"
    path.write_bytes(astronaut_jpeg)
    return path


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed on standard error: one line that starts with the command's name."""
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("unturned: ")
    return line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"example: unturned {command}" in said
    assert re.findall(r"\bNone\b|\(default", said) == []  # defaults stand in brackets, and only where there is one


def test_a_command_says_its_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["reproduce", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "seeds to run [1] " in said
    assert "one thread each [2] " in said


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert sorted(re.findall(r"^ {4}(\w+)", capsys.readouterr().out, re.MULTILINE)) == sorted(COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["figure", "--opacity", "2"], ["serve", "--port", "70000"], ["serve", "--host", ""], ["explain", "here"]],
)
def test_bad_use_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: unturned" in capsys.readouterr().err


def test_commands_of_the_service_need_no_training_code_and_no_model_to_show_help() -> None:
    script = (
        "import sys\nfrom app.cli import main\ntry: main(['serve', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'matplotlib', 'cv2', 'model.training.loop', 'app.commands.science'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert output.splitlines()[-1] == "[]"


def test_serve_gives_the_chosen_address_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    served = []
    monkeypatch.setattr("app.server.serve", lambda settings: served.append(settings) or 3)  # type: ignore[func-returns-value]
    monkeypatch.setattr("app.server.end", served.append)
    monkeypatch.setenv("UNTURNED_PORT", "8123")
    assert main(["serve", "--host", "::1"]) == 3
    settings, status = served
    assert (settings.host, settings.port, status) == ("::1", 8123, 3)


def test_an_unknown_setting_is_bad_use(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], portrait: Path) -> None:
    monkeypatch.setenv("UNTURNED_MAXPIXELS", "1")
    assert main(["figure", str(portrait), "-o", "out.pdf"]) == 2
    assert "UNTURNED_MAXPIXELS" in refusal(capsys)


def test_what_would_steer_a_terminal_is_written_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = str(tmp_path / "fäce\x1b]0;title\x07\x9b31m.pth")
    assert main(["import", missing, "--recipe", "rul", "--name", "theirs", "--unchecked", "--out", str(tmp_path)]) == 2
    assert f"{tmp_path}/fäce\\x1b]0;title\\x07\\x9b31m.pth: cannot be read" in refusal(capsys)


def test_missing_checkpoints_are_a_failed_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], portrait: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(tmp_path))
    assert main(["figure", str(portrait), "-o", str(tmp_path / "out.pdf")]) == 3
    assert "manifest.json" in refusal(capsys)


@pytest.mark.usefixtures("models")
def test_figure_and_explain_agree_and_saved_maps_are_drawn_again(
    portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNTURNED_BODY_LIMIT_BYTES", "1024")  # of uploads alone
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    portrait.rename(photos / "astronaut.jpg")
    broken = photos / "broken\x1b[2J.png"
    broken.write_bytes(b"not a picture")
    assert main(["explain", str(photos), "--out", str(out)]) == 2
    printed = capsys.readouterr()
    assert "broken\\x1b[2J.png: The file is not a picture. (not_an_image)" in printed.err.splitlines()
    assert printed.out.startswith("1 explained, 0 finished before, 1 failed")

    saved = out / "astronaut.jpg.npz"
    (face,) = read_maps(saved.read_bytes()).faces
    assert [model.title for model in face.models] == ["baseline", "ours (mek_sf)"]
    np.testing.assert_allclose(face.models[0].maps.mean((2, 3)) + face.models[0].bias, face.models[0].logits, atol=1e-5)

    assert main(["figure", str(photos / "astronaut.jpg"), "-o", str(tmp_path / "direct.png")]) == 0
    assert main(["figure", str(saved), "-o", str(tmp_path / "again.png")]) == 0
    assert (tmp_path / "direct.png").read_bytes() == (tmp_path / "again.png").read_bytes()

    broken.unlink()
    assert main(["explain", str(photos), "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("0 explained, 1 finished before, 0 failed")
    assert main(["explain", str(photos), "--out", str(out), "--gauge", "trained"]) == 2
    assert "other options" in capsys.readouterr().err
    monkeypatch.setenv("UNTURNED_SMALLEST_FACE", "0.1")  # other faces would be found in the pictures to come
    assert main(["explain", str(photos), "--out", str(out)]) == 2
    assert "other options" in capsys.readouterr().err


@pytest.mark.usefixtures("models")
def test_figure_refuses_what_it_cannot_draw(portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((300, 300), 128, np.uint8))
    for arguments, reason in (
        ([portrait], "name at least one picture and, with -o,"),
        ([portrait, "-o", tmp_path / "out.gif"], "ends in .png, .svg or .pdf"),
        ([tmp_path / "missing.jpg", "-o", tmp_path / "out.png"], "missing.jpg: No such file or directory"),
        (
            [portrait, "-o", tmp_path / "out.png", "--models", "baseline,nobody"],
            "no model nobody; there are baseline, mek_sf, ours",
        ),
        ([portrait, tmp_path / "blank.png", "-o", tmp_path / "out.png"], "blank.png: No upright face"),
        ([tmp_path / "blank.png", "-o", tmp_path / "out.png"], "If the whole picture is one face, ask for the crop 'whole'"),
        ([portrait, "-o", tmp_path / "out.png", "--crop", "1,2"], "(invalid_parameter)"),
        ([portrait, "-o", tmp_path / "out.png", "--models", "ours,ours"], "--models: a model is named twice"),
        (["--supplement", "--out", tmp_path], "needs --data"),
        (["--supplement", "--data", tmp_path, "--out", tmp_path], "no FERPlus here"),
        (["--supplement", "--data", tmp_path, "--out", tmp_path, "--gauge", "trained"], "rule chooses: leave out --gauge"),
        ([portrait, "--supplement", "--data", tmp_path, "--out", tmp_path], "rule chooses: leave out IMAGE"),
        ([portrait, "-o", tmp_path / "out.png", "--out", tmp_path], "reads a data set: leave out --out"),
        ([portrait, "-o", tmp_path / "out.png", "--svg-text"], "only an .svg has text to keep as text: leave out --svg-text"),
        (["a.npz", "-o", tmp_path / "out.png", "--method", "gradcam", "--models", "ours"], "as they are: leave out --models, --method"),
    ):
        assert main(["figure", *map(str, arguments)]) == 2
        assert reason in refusal(capsys)
    assert {path.name for path in tmp_path.iterdir()} == {"astronaut.jpg", "blank.png"}


def test_damaged_saved_maps_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    objects, bomb, nan = tmp_path / "objects.npz", tmp_path / "bomb.npz", tmp_path / "nan.npz"
    np.savez(objects, format=np.array([{}], dtype=object), allow_pickle=True)
    np.savez_compressed(bomb, format=np.zeros(9_000_000))
    np.savez(nan, format="unturned-maps-1", faces=np.float64("nan"))
    for path in (objects, bomb, nan):
        assert main(["figure", str(path), "-o", str(tmp_path / "out.png")]) == 2
        assert f"{path.name}: " in refusal(capsys)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (InputError("first\nsecond"), 2)])
def test_interrupts_and_bad_input_end_quietly(error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: object) -> int:
        raise error

    monkeypatch.setattr(figure_command, "_run", failing)
    assert main(["figure"]) == status


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    program = (
        "import sys\nfrom app import cli\nfrom app.commands import figure\n"
        "figure._run = lambda _: print('x' * 100_000) or 0\nsys.exit(cli.main(['figure']))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run([sys.executable, "-c", program], check=False, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_a_command_whose_packages_are_not_installed_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As after `make serve`, which installs what serving needs."""
    for name in [name for name in sys.modules if name.startswith("model.training.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    assert main(["train", "--method", "mek", "--data", str(tmp_path)]) == 2
    assert "lightning_fabric is not installed: this needs more than serving does: pip install -e '.[train]'" in refusal(capsys)


def test_a_fault_of_this_program_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Also one of a kind that bad input may have, too: NumPy's is a ValueError."""
    monkeypatch.setattr(figure_command, "_run", lambda _: int((np.zeros(2) + np.zeros(3)).sum()))
    with pytest.raises(ValueError, match="could not be broadcast"):
        main(["figure"])
    monkeypatch.setattr(figure_command, "_run", lambda _: len((tmp_path / "absent").read_bytes()))
    with pytest.raises(FileNotFoundError):
        main(["figure"])
    assert capsys.readouterr().err == ""


def test_a_png_figure_is_a_picture(models: None, portrait: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert main(["figure", str(portrait), "-o", str(out), "--crop", "whole", "--colours", "signed", "--scale", "all"]) == 0
    with Image.open(io.BytesIO(out.read_bytes())) as picture:
        assert picture.format == "PNG"


def test_a_wrong_option_leaves_the_folder_of_answers_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    assert main(["explain", str(tmp_path / "photos"), "--out", str(tmp_path / "out"), "--crop", "1,2"]) == 2
    assert "(invalid_parameter)" in refusal(capsys)
    assert not (tmp_path / "out").exists()


def test_an_opacity_that_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["figure", "a.jpg", "-o", "a.png", "--opacity", "abc"])
    assert "'abc' is not a number from 0 to 1" in capsys.readouterr().err


def test_an_export_never_replaces_its_checkpoint(random_checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = Path(shutil.copy(random_checkpoints / "baseline.safetensors", tmp_path))
    link = tmp_path / "link.onnx"
    link.symlink_to(checkpoint)
    before = checkpoint.read_bytes()
    for out, reason in (
        (checkpoint, "baseline.safetensors: an ONNX file's name ends in .onnx"),
        (link, "link.onnx: is the checkpoint itself"),
    ):
        assert main(["export", str(checkpoint), str(out)]) == 2
        assert reason in refusal(capsys)
    assert checkpoint.read_bytes() == before


def test_a_folder_without_pictures_is_told(models: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.txt").touch()
    assert main(["explain", str(tmp_path / "photos"), "--out", str(tmp_path / "out")]) == 2
    assert refusal(capsys) == f"unturned: {tmp_path / 'photos'}: no pictures in this folder"
    assert not (tmp_path / "out").exists()


def ended_with(program: str, output: int) -> subprocess.CompletedProcess[bytes]:
    """A command that runs the body ``program``, with its standard output."""
    body = f"import sys\nfrom app import cli\nfrom app.commands import figure\nfigure._run = lambda _: {program}"
    script = f"{body}\nsys.exit(cli.main(['figure']))"
    environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    return subprocess.run([sys.executable, "-c", script], check=False, stdout=output, stderr=subprocess.PIPE, cwd=ROOT, env=environment)


def test_a_full_disk_keeps_what_was_printed_and_names_the_file(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        ended = ended_with(
            "print('so far') or (_ for _ in ()).throw(OSError(28, 'No space left on device', '/data/out.npz'))", out.fileno()
        )
    assert (ended.returncode, ended.stderr) == (2, b"unturned: /data/out.npz: No space left on device\n")
    assert (tmp_path / "out").read_bytes() == b"so far\n"


def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = ended_with("print('x') or 0", full.fileno())
    assert (ended.returncode, ended.stderr) == (2, b"unturned: No space left on device\n")


def test_a_name_that_is_no_text_is_printed_all_the_same() -> None:
    ended = ended_with("print('l\\udce9.onnx') or 0", subprocess.PIPE)
    assert (ended.returncode, ended.stdout) == (0, b"l\\udce9.onnx\n")
