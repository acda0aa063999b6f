"""A run from data to shipped file, through the command, on a small made FERPlus in its two-file form."""

from __future__ import annotations

import csv
import json
import shutil
from contextlib import chdir
from pathlib import Path

import pytest
import torch

from app.cli import main
from model.checkpoints import load_manifest
from model.data.ferplus import PIXELS_FILE, VOTE_COLUMNS, VOTES_FILE, load_ferplus
from model.expressions import EXPRESSIONS
from model.files.folder_lock import folder_lock
from model.geometry import ferplus_geometry
from model.importing.imported import dataset_input
from model.measuring.results import load_result
from model.reference import load_checkpoint, save_checkpoint
from model.training.config import TrainingConfig
from model.training.experiment import recorded_hyperparameters
from model.training.protocol import Protocol
from model.training.replacing import planned_choices, recorded_choices
from model.training.reproduce import RUN_ELSEWHERE
from model.training.state import read_log
from tests.data.test_rafdb import make_rafdb
from tests.made_checkpoints import make_metadata, random_classifier
from tests.made_imports import write_random_import

USAGES = {"Training": 21, "PublicTest": 14, "PrivateTest": 14}


@pytest.fixture(scope="module")
def ferplus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces of noise, as many of each class and one class after another, all ten votes for it."""
    folder = tmp_path_factory.mktemp("ferplus")
    generator = torch.Generator().manual_seed(3)
    with (folder / PIXELS_FILE).open("w", newline="") as pixels, (folder / VOTES_FILE).open("w", newline="") as votes:
        pixel_rows, vote_rows = csv.writer(pixels), csv.writer(votes)
        pixel_rows.writerow(["emotion", "pixels", "Usage"])
        vote_rows.writerow(["Usage", "Image name", *VOTE_COLUMNS])
        for usage, count in USAGES.items():
            for number in range(count):
                face = torch.randint(0, 256, (48 * 48,), generator=generator).tolist()
                pixel_rows.writerow([0, " ".join(map(str, face)), usage])
                expression = EXPRESSIONS[number * len(EXPRESSIONS) // count]
                vote_rows.writerow([usage, f"{usage}-{number}.png", *(10 * (column == expression) for column in VOTE_COLUMNS)])
    return folder


RUN = "runs/ferplus-original-mek_sf-seed1-input_size67-epochs2-batch7"  # what is not as in the tables is in its name


def command(data: Path, *more: str, method: str = "mek_sf") -> list[str]:
    small = ["--input-size", "67", "--epochs", "2", "--batch", "7", "--precision", "32-true"]
    return ["train", "--method", method, "--data", str(data), *small, *more]


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory, ferplus_folder: Path) -> Path:
    """A working folder in which a run was trained and shipped. Read only."""
    folder = tmp_path_factory.mktemp("finished")
    with chdir(folder):
        assert main(command(ferplus_folder, "--ship")) == 0
    return folder


@pytest.fixture
def beside_a_run(inside: Path, finished_run: Path) -> Path:
    """A working folder with a copy of all that run left."""
    return Path(shutil.copytree(finished_run, inside, dirs_exist_ok=True))


def test_a_run_is_measured_shipped_and_recorded(beside_a_run: Path, ferplus_folder: Path) -> None:
    result = load_result(beside_a_run / "checkpoints/results/ferplus-original-mek_sf-seed1.json")
    assert result.training_counts == dict.fromkeys(EXPRESSIONS, 3)
    assert result.valid is not None
    assert (result.valid.faces, result.test.faces) == (14, 14)
    assert [entry["epoch"] for entry in result.learning_curve] == [1, 2]
    assert all(isinstance(entry["train"], dict) and set(entry["train"]) == {"overall"} for entry in result.learning_curve)
    assert result.test_predictions is not None
    assert [int(digit) for digit in result.test_predictions.labels] == load_ferplus(ferplus_folder, "test").labelled().labels.tolist()
    manifest = load_manifest(beside_a_run / "checkpoints")
    shipped = load_checkpoint(beside_a_run / "checkpoints/mek_sf.safetensors", manifest.checkpoints["mek_sf"])
    assert manifest.ours == "mek_sf"
    assert shipped.metadata.metrics["test"] == result.test.model_dump(mode="json")


def test_a_finished_run_is_only_measured_again(beside_a_run: Path, ferplus_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.training.loop.code_revision", lambda: "a later one, which trains nothing")
    path = beside_a_run / "checkpoints/results/ferplus-original-mek_sf-seed1.json"
    first = json.loads(path.read_text())
    path.unlink()  # as if it had been killed before it could write it
    assert main(command(ferplus_folder, "--resume")) == 0
    again = json.loads(path.read_text())
    assert (again["seconds"], again["test"], again["learning_curve"]) == (first["seconds"], first["test"], first["learning_curve"])
    assert again["revision"] == first["revision"]


def test_a_dry_run_touches_nothing_of_the_whole_one(inside: Path, ferplus_folder: Path) -> None:
    assert main(command(ferplus_folder, "--limit", "16")) == 0
    assert [path.name for path in inside.iterdir()] == ["runs"]
    dry = load_result(inside / f"{RUN}-limit16/ferplus-original-mek_sf-seed1.json")
    assert (sum(dry.training_counts.values()), dry.test.faces) == (16, 14)
    assert set(dry.training_counts.values()) == {2, 3}  # the first sixteen of the set show no disgust


def test_a_dry_run_needs_a_face_of_each_expression(inside: Path, ferplus_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(ferplus_folder, "--limit", "6")) == 2
    assert "--limit must be at least 7" in capsys.readouterr().err


def test_a_test_split_without_an_expression_is_refused_before_training(
    inside: Path, ferplus_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inside / PIXELS_FILE).write_bytes((ferplus_folder / PIXELS_FILE).read_bytes())
    votes = (ferplus_folder / VOTES_FILE).read_text().splitlines()
    others = [line.replace(",0,10,", ",10,0,") for line in votes[-2:]]  # those of the last expression
    (inside / VOTES_FILE).write_text("\n".join(votes[:-2] + others))
    assert main(command(inside)) == 2
    assert f"no face in the test split is labelled {EXPRESSIONS[-1]}, but" in capsys.readouterr().err
    assert not list(inside.glob("runs/*/log.jsonl"))


@pytest.mark.parametrize(
    ("more", "named"),
    [(["--set", "consistency=5"], "settings"), (["--lr", "0.1"], "lr"), (["--epochs", "1"], "epochs"), (["--imbalance", "2"], None)],
)
def test_a_result_is_not_replaced_by_another_run(
    more: list[str], named: str | None, beside_a_run: Path, ferplus_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = beside_a_run / "checkpoints/results/ferplus-original-mek_sf-seed1.json"
    before = recorded.read_bytes()
    status = main(command(ferplus_folder, *more, "--out", str(beside_a_run / "other")))
    assert status == (0 if named is None else 2)
    assert named is None or f"holds a run that differs in {named}" in capsys.readouterr().err
    assert recorded.read_bytes() == before


def test_a_run_from_before_a_choice_was_there_may_be_done_again(beside_a_run: Path, ferplus_folder: Path) -> None:
    recorded = beside_a_run / "checkpoints/results/ferplus-original-mek_sf-seed1.json"
    early = json.loads(recorded.read_text())
    for name in ("augmentation", "optimizer", "teachers"):
        del early["hyperparameters"][name]
    del early["hyperparameters"]["settings"]["smoothing"]
    recorded.write_text(json.dumps(early))
    assert main(command(ferplus_folder, "--out", str(beside_a_run / "again"))) == 0
    assert "augmentation" in json.loads(recorded.read_text())["hyperparameters"]


def test_a_shipped_checkpoint_is_not_replaced_by_another_run(
    beside_a_run: Path, ferplus_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = beside_a_run / "checkpoints/mek_sf.safetensors"
    before = shipped.read_bytes()
    other = ["--ship", "--results", "checkpoints/results/epochs3", "--out", "longer"]
    for more, named in ((["--lr", "0.1"], "lr"), (["--set", "consistency=5"], "settings"), (["--epochs", "3"], "epochs")):
        assert main(command(ferplus_folder, *other, *more)) == 2
        told = f"{shipped.relative_to(beside_a_run)} holds a run that differs in {named}: rename it, say to mek_sf_2, to keep both"
        assert told in capsys.readouterr().err
    assert shipped.read_bytes() == before
    longer = command(ferplus_folder, *other, "--epochs", "3")
    shipped.rename(beside_a_run / "checkpoints/mek_sf_2.safetensors")
    assert main(longer) == 0
    assert set(load_manifest(beside_a_run / "checkpoints").checkpoints) == {"mek_sf", "mek_sf_2"}


@pytest.mark.parametrize("stranger", ["an import", "a run without a validation split"])
def test_a_folder_that_cannot_be_served_is_refused_before_training(
    stranger: str, inside: Path, ferplus_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inside / "checkpoints").mkdir()
    there = inside / "checkpoints/other.safetensors"
    if stranger == "an import":
        write_random_import("eac", inside / "checkpoints")
        (inside / "checkpoints/eac_raf.safetensors").rename(there)
    else:
        made = make_metadata("baseline")
        save_checkpoint(there, random_classifier(1), made.model_copy(update={"metrics": made.metrics | {"valid": None}}))
    assert main(command(ferplus_folder, "--ship")) == 2
    assert "other.safetensors" in capsys.readouterr().err
    assert [path.name for path in (inside / "checkpoints").iterdir()] == ["other.safetensors"]
    assert not list(inside.glob("runs/*/log.jsonl"))


def test_trained_networks_teach(beside_a_run: Path, ferplus_folder: Path) -> None:
    (beside_a_run / f"{RUN}/checkpoint.safetensors").rename(beside_a_run / "teacher.safetensors")
    taught = command(ferplus_folder, "--teachers", "teacher.safetensors", "--set", "distillation=0.5", method="cac")
    assert main(taught) == 0
    result = load_result(beside_a_run / "checkpoints/results/ferplus-original-cac-seed1.json")
    assert result.hyperparameters["teachers"] == {"teacher": load_checkpoint(beside_a_run / "teacher.safetensors").sha256}
    assert main([*taught[:-2], "--set", "distillation=0.6", "--out", "other"]) == 2
    assert load_checkpoint(beside_a_run / f"{RUN.replace('mek_sf', 'cac')}-distillation0.5/checkpoint.safetensors").metadata.method == "cac"


def test_any_seed_ships_but_not_over_another(inside: Path, ferplus_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(ferplus_folder, "--ship", "--seed", "3")) == 0
    assert load_checkpoint(inside / "checkpoints/mek_sf.safetensors").metadata.seed == 3
    assert main(command(ferplus_folder, "--ship", "--seed", "2")) == 2
    assert "holds a run that differs in seed" in capsys.readouterr().err


@pytest.mark.parametrize("more", [["--dataset", "rafdb"], ["--imbalance", "50"], ["--limit", "14"]])
def test_only_runs_on_all_faces_of_ferplus_ship(
    more: list[str], inside: Path, ferplus_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(ferplus_folder, "--ship", *more)) == 2
    assert "--ship is for runs on all faces of FERPlus" in capsys.readouterr().err
    assert list(inside.iterdir()) == []


def test_a_run_has_one_process(inside: Path, ferplus_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with folder_lock(inside / RUN):
        assert main(command(ferplus_folder)) == RUN_ELSEWHERE
    assert "another process works in this folder" in capsys.readouterr().err
    assert read_log(inside / RUN) == []


@pytest.mark.parametrize("changed", ["labels", "votes", "images"])
def test_the_digest_of_faces_knows_all_that_is_learnt_from(changed: str, ferplus_folder: Path) -> None:
    faces = load_ferplus(ferplus_folder, "train")
    assert faces.digest() == load_ferplus(ferplus_folder, "train").digest()
    assert faces.digest() != faces.subset(torch.arange(20)).digest()
    assert faces.digest() != faces.subset(torch.arange(20, -1, -1)).digest()
    getattr(faces, changed)[0] += 1
    assert faces.digest() != load_ferplus(ferplus_folder, "train").digest()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--input-size", "515"], "35 to 512 pixels"),
        (["--parts", "3"], "equal parts of two faces or more"),
        (["--set", "pair_share=2"], "setting pair_share must be above 0 and at most 1"),
        (["--set", "smoothing=1.5"], "setting smoothing must be 0 to 1, not 1.5"),
        (["--set", "consistency=nan"], "setting consistency must be 0 or more, not nan"),
        (["--ship", "--results", "mine"], "whose name must be results, as in mine/results"),
        (["--lr", "1e30"], "choose a smaller --lr"),
    ],
)
def test_what_cannot_be_trained_ends_with_one_line(
    more: list[str], reason: str, inside: Path, ferplus_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(ferplus_folder, *more)) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("unturned: ")]
    assert reason in line
    assert not (inside / "checkpoints").exists()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--set", "lambda=0.1"], "method mek_sf has no setting 'lambda'; it has: consistency, adjustment, smoothing, pair_share"),
        (["--set", "consistency=much"], "setting consistency of method mek_sf must be a float"),
        (["--set", "pair_share=0"], "setting pair_share must be above 0 and at most 1, not 0"),
        (["--set", "pair_share"], "--set takes NAME=VALUE"),
        (["--teachers", "mine.safetensors"], "--teachers are for --method cac; mek_sf learns from labels alone"),
        (["--limit", "6"], "--limit must be at least 7"),
        (["--imbalance", "0.5"], "an imbalance factor is a number from 1 up"),
    ],
)
def test_a_wrong_choice_is_refused_before_the_data_is_looked_for(
    more: list[str], reason: str, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(inside / "absent", *more)) == 2
    assert reason in capsys.readouterr().err
    assert list(inside.iterdir()) == []


def test_another_run_in_the_way_is_found_before_the_data_is_read(beside_a_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(beside_a_run / "absent", "--lr", "0.1")) == 2
    assert "holds a run that differs in lr" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "told"), [("67", False), ("70", True)])
def test_maps_that_cannot_agree_with_the_mirror_are_warned_of(
    size: str, told: bool, inside: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(command(inside / "absent", "--input-size", size)) == 2
    assert (f"maps of dlib_resnet at {size} px are not centred" in caplog.text) is told


def test_a_protocol_is_thinned_before_the_dry_run_takes_its_faces(inside: Path, ferplus_folder: Path) -> None:
    assert main(command(ferplus_folder, "--limit", "7", "--imbalance", "3")) == 0
    (path,) = inside.glob("runs/*/ferplus-3-*.json")
    assert load_result(path).training_counts == dict.fromkeys(EXPRESSIONS, 1)


def test_the_papers_protocol_brings_the_papers_constants(inside: Path, ferplus_folder: Path) -> None:
    assert main(command(ferplus_folder, "--protocol", "paper", "--set", "smoothing=0.3", method="mek")) == 0
    settings = load_result(inside / "checkpoints/results/ferplus-original-mek-seed1.json").settings
    assert (settings["consistency"], settings["smoothing"]) == (0.12, 0.3)


def test_parts_are_recorded_over_all_processes(beside_a_run: Path) -> None:
    """BatchNorm and the contrast see a part: a run of two processes is none of one."""
    config = TrainingConfig(method="mek_sf", epochs=2, batch=7, input_size=67, precision="32-true")
    recorded = load_result(beside_a_run / "checkpoints/results/ferplus-original-mek_sf-seed1.json")
    for processes, differing in ((1, []), (2, ["parts"])):
        planned = planned_choices(config, recorded_hyperparameters(config, (), processes), None)
        assert [name for name, value in planned.items() if recorded_choices(recorded)[name] != value] == differing


@pytest.mark.parametrize(
    ("network", "optimizer", "consistency"),
    [("dlib_resnet", "adam-exponential", 6.0), ("resnet18", "adam-exponential", 5.0), ("dlib_resnet", "adamw-onecycle", 0.05)],
)
def test_what_is_trained_is_what_the_tables_take_for_the_protocol(
    network: str, optimizer: str, consistency: float, inside: Path, ferplus_folder: Path
) -> None:
    """Other batches, lengths and networks are still the paper's protocol, with EAC's 5 scaled to the network's maps; another optimizer
    is not."""
    assert main(command(ferplus_folder, "--protocol", "paper", "--network", network, "--optimizer", optimizer, method="eac")) == 0
    result = load_result(inside / "checkpoints/results/ferplus-original-eac-seed1.json")
    assert result.settings["consistency"] == consistency
    assert Protocol.of(result).differences(result) == ["training faces"]  # of the published ones there are few


def test_a_run_on_colour_faces_says_so_and_is_served_colour(inside: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = make_rafdb(inside / "rafdb")
    geometry = ferplus_geometry().model_copy(update={"box_size": 0.8})
    (inside / "rafdb.json").write_text(geometry.model_dump_json())

    assert main(command(folder, "--dataset", "rafdb", "--geometry", "rafdb.json", method="baseline")) == 0
    assert "calibrate_crop.py" not in caplog.text
    (run,) = inside.glob("runs/rafdb-original-baseline-seed1-*/checkpoint.safetensors")
    loaded = load_checkpoint(run)
    assert (loaded.metadata.colour, loaded.metadata.face_size, loaded.metadata.geometry.box_size) == ("rgb", 100, 0.8)
    red = torch.zeros(1, 3, 100, 100, dtype=torch.uint8)
    red[:, 0] = 200
    assert dataset_input(loaded, red)[0, :, 30, 30].tolist() == [200, 0, 0]


def test_faces_of_another_dataset_are_said_to_be_cropped_like_those_of_ferplus(inside: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(command(make_rafdb(inside / "rafdb"), "--dataset", "rafdb", "--limit", "7", method="baseline")) == 0
    assert "calibrate_crop.py --dataset rafdb" in caplog.text
