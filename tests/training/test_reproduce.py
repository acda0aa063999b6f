"""The matrix runner with small programs in place of training: they log, store a result, fail or wait as their cell says."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path

import pytest

from app.cli import main
from model.errors import InputError
from model.files.folder_lock import folder_lock, is_locked
from model.measuring.results import save_result
from model.training.protocol import Protocol
from model.training.reproduce import RUN_ELSEWHERE, CellRun, Matrix, progress_table, run_matrix, run_reproduce
from model.training.runs import TableCell, table_cells, training_faces
from tests.made_results import make_result

UNTURNED = ("python", "-m", "unturned")

# Locks its folder, writes its start and end to a common diary, "trains" until a file named go appears, and stores the result made for it.
PROGRAM = """
import fcntl, json, os, pathlib, signal, sys, time
home, name = pathlib.Path(sys.argv[1]), sys.argv[2]
fcntl.flock(os.open(home / "runs" / name, os.O_RDONLY), fcntl.LOCK_EX)
def diary(word):
    with (home / "diary").open("a") as file:
        file.write(f"{word} {name}\\n")
def save(*_):
    diary("saved")
    sys.exit(130)
signal.signal(signal.SIGTERM, save)
diary("start")
with (home / "runs" / name / "log.jsonl").open("a") as log:
    log.write(json.dumps({"epoch": 1, "step": 2, "seconds": 30.0}) + "\\n")
    log.write('{"epoch": 2, "st')
deadline = time.monotonic() + 120
while not (home / "go").exists() and time.monotonic() < deadline:
    time.sleep(0.01)
if name in sys.argv[3:]:
    print("no such dataset", flush=True)
    sys.exit(2)
time.sleep(0.2)
diary("end")
os.replace(home / "made" / f"{name}.json", home / "results" / f"{name}.json")
"""


def make_matrix(home: Path, seeds: int, *, workers: int = 2, failing: tuple[str, ...] = ()) -> Matrix:
    for folder in ("runs", "made", "results"):
        (home / folder).mkdir(exist_ok=True)
    cells = [TableCell("mek", "ferplus", "original", seed) for seed in range(1, seeds + 1)]
    for cell in cells:
        save_result(home / "made", make_result(method="mek", seed=cell.seed))
    runs = [CellRun(cell, home / "runs" / cell.name, steps=4) for cell in cells]

    def launch(cell: TableCell) -> list[str]:
        return [sys.executable, "-I", "-c", PROGRAM, str(home), cell.name, *failing]

    return Matrix(runs, home / "results", Protocol(), launch, workers)


def diary(home: Path) -> list[str]:
    path = home / "diary"
    return path.read_text().splitlines() if path.exists() else []


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_every_missing_cell_runs_and_no_more_than_asked_at_once(tmp_path: Path) -> None:
    matrix = make_matrix(tmp_path, seeds=4)
    (tmp_path / "go").touch()

    assert run_matrix(matrix, poll_seconds=0.01) == 0
    assert [run.status for run in matrix.runs] == ["done"] * 4
    running, most = 0, 0
    for line in diary(tmp_path):
        running += 1 if line.startswith("start") else -1
        most = max(most, running)
    assert most == 2
    assert len(diary(tmp_path)) == 8


def test_finished_cells_are_not_run_again(tmp_path: Path) -> None:
    matrix = make_matrix(tmp_path, seeds=2)
    save_result(tmp_path / "results", make_result(method="mek", seed=1))
    (tmp_path / "go").touch()

    assert run_matrix(matrix, poll_seconds=0.01) == 0
    assert diary(tmp_path) == ["start ferplus-original-mek-seed2", "end ferplus-original-mek-seed2"]
    assert [(run.epochs, run.seconds) for run in matrix.runs] == [(10.0, 100.0)] * 2
    assert progress_table(matrix).title == "2 of 2 runs done"


def test_a_result_of_another_protocol_does_not_count(tmp_path: Path) -> None:
    matrix = make_matrix(tmp_path, seeds=1)
    save_result(tmp_path / "results", make_result(method="mek", seed=1, epochs=2))
    (tmp_path / "go").touch()

    assert run_matrix(matrix, poll_seconds=0.01) == 0
    assert diary(tmp_path) == ["start ferplus-original-mek-seed1", "end ferplus-original-mek-seed1"]


def test_a_failing_run_stops_no_other_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    matrix = make_matrix(tmp_path, seeds=3, failing=("ferplus-original-mek-seed1",))
    (tmp_path / "go").touch()

    assert run_matrix(matrix, poll_seconds=0.01) == 2
    assert [run.status for run in matrix.runs] == ["failed", "done", "done"]
    assert "ferplus-original-mek-seed1 failed: no such dataset" in capsys.readouterr().out.replace("\n", " ")
    assert "no such dataset" in (tmp_path / "runs/ferplus-original-mek-seed1/output.txt").read_text()


def test_a_trained_run_that_is_no_cell_says_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    matrix = make_matrix(tmp_path, seeds=1)
    save_result(tmp_path / "made", make_result(method="mek", seed=1, counts=(1000, 1000, 500, 400, 300, 80, 20)))
    (tmp_path / "go").touch()

    assert run_matrix(matrix, poll_seconds=0.01) == 2
    said = capsys.readouterr().out
    assert "differs from the table's runs in training faces, so it is no cell of it" in said


def test_progress_and_time_left_come_from_the_logs(tmp_path: Path) -> None:
    matrix = make_matrix(tmp_path, seeds=3)
    matrix.step()
    wait_for(lambda: len(diary(tmp_path)) == 2)
    wait_for(lambda: matrix.step() and all(run.epochs for run in matrix.runs[:2]))

    # 2 of 4 steps in 30 s: 60 s an epoch; two runs have 9.5 epochs to go and one has 10; two workers
    assert [run.epochs for run in matrix.runs] == [0.5, 0.5, 0.0]
    assert matrix.seconds_left() == pytest.approx(60 * (9.5 + 9.5 + 10) / 2)
    assert progress_table(matrix).title == "0 of 3 runs done, about 0 h 14 min left"
    matrix.ask_to_stop()
    wait_for(lambda: not matrix.step())
    assert [run.status for run in matrix.runs] == ["stopped", "stopped", "waiting"]
    assert sum(line.startswith("saved") for line in diary(tmp_path)) == 2
    assert sum(line.startswith("start") for line in diary(tmp_path)) == 2


def test_the_last_run_takes_as_long_alone_as_beside_another(tmp_path: Path) -> None:
    matrix = make_matrix(tmp_path, seeds=2)
    done, last = matrix.runs
    done.status, done.epochs, done.seconds = "done", 10.0, 10_000.0
    last.status, last.epochs, last.seconds = "running", 2.0, 2_000.0
    assert matrix.seconds_left() == pytest.approx(8 * 1000)


@contextmanager
def runner(home: Path) -> Iterator[ForkProcess]:
    """The matrix of one cell, run by a process of its own."""
    process = get_context("fork").Process(target=lambda: sys.exit(run_matrix(make_matrix(home, seeds=1), poll_seconds=0.01)))
    process.start()
    try:
        wait_for(lambda: diary(home))
        yield process
    finally:
        process.kill()
        process.join()


def send(process: ForkProcess, number: signal.Signals) -> int | None:
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join(60)
    return process.exitcode


def test_an_interrupt_lets_the_runs_save_and_the_next_call_continues(tmp_path: Path) -> None:
    with runner(tmp_path) as first:
        assert send(first, signal.SIGINT) == 130
    assert diary(tmp_path) == ["start ferplus-original-mek-seed1", "saved ferplus-original-mek-seed1"]
    assert not is_locked(tmp_path / "runs/ferplus-original-mek-seed1")

    (tmp_path / "go").touch()
    assert run_matrix(make_matrix(tmp_path, seeds=1), poll_seconds=0.01) == 0


def test_a_run_that_outlives_a_killed_runner_is_waited_for(tmp_path: Path) -> None:
    with runner(tmp_path) as first:
        assert send(first, signal.SIGKILL) == -signal.SIGKILL
    assert is_locked(tmp_path / "runs/ferplus-original-mek-seed1")

    matrix = make_matrix(tmp_path, seeds=1)
    assert matrix.step()
    assert matrix.runs[0].status == "elsewhere"
    (tmp_path / "go").touch()
    assert run_matrix(matrix, poll_seconds=0.01) == 0
    assert diary(tmp_path) == ["start ferplus-original-mek-seed1", "end ferplus-original-mek-seed1"]


def test_a_run_that_was_started_without_this_program_is_waited_for(tmp_path: Path) -> None:
    matrix = make_matrix(tmp_path, seeds=1)
    with folder_lock(matrix.runs[0].directory):
        assert matrix.step()
        assert matrix.runs[0].status == "elsewhere"
    (tmp_path / "go").touch()
    assert run_matrix(matrix, poll_seconds=0.01) == 0
    assert len(diary(tmp_path)) == 2


def test_a_run_that_finds_its_folder_taken_is_waited_for(tmp_path: Path) -> None:
    """Where two programs start the same run at the same moment, one of the two runs ends at once."""
    matrix = make_matrix(tmp_path, seeds=1)
    launch = matrix.launch
    matrix.launch = lambda _cell: [sys.executable, "-c", f"raise SystemExit({RUN_ELSEWHERE})"]
    matrix.step()
    wait_for(lambda: matrix.step() and matrix.runs[0].status == "elsewhere")
    matrix.launch = launch
    (tmp_path / "go").touch()
    assert run_matrix(matrix, poll_seconds=0.01) == 0


def test_training_steps_follow_the_published_counts() -> None:
    assert training_faces(TableCell("mek", "ferplus", "100", 1)) == 23298
    assert all(training_faces(cell) > 0 for number in (1, 2, 3) for cell in table_cells(number, [1]))


def test_bad_use_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dataset of Table 3"):
        run_reproduce(3, tmp_path / "absent", UNTURNED)
    with pytest.raises(ValueError, match="--workers"):
        run_reproduce(3, tmp_path, UNTURNED, workers=0)
    with pytest.raises(ValueError, match="no Table 5"):
        run_reproduce(5, tmp_path, UNTURNED)
    with pytest.raises(ValueError, match="whose name must be results"):
        run_reproduce(3, tmp_path, UNTURNED, results=tmp_path / "mine")


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[Matrix]:
    """What would be run, and is not."""
    matrices: list[Matrix] = []

    def remember(matrix: Matrix) -> int:
        matrices.append(matrix)
        return 0

    monkeypatch.setattr("model.training.reproduce.run_matrix", remember)
    return matrices


def commands(asked_for: list[Matrix]) -> list[list[str]]:
    """Those that would be started."""
    return [matrix.launch(run.cell) for matrix in asked_for for run in matrix.runs]


def test_the_command_of_a_cell_is_what_is_launched(tmp_path: Path, asked_for: list[Matrix]) -> None:
    run_reproduce(3, tmp_path, UNTURNED, methods=["mek"], seeds=[1, 2], results=tmp_path / "results", runs=tmp_path / "runs")

    launched = commands(asked_for)
    assert len(launched) == 2
    assert "--augmentation" not in launched[0]
    assert "--ship" in launched[0]
    arguments = launched[0]
    assert arguments[:4] == [*UNTURNED, "train"]
    pairs = dict(zip(arguments[4::2], arguments[5::2], strict=False))
    assert pairs["--data"] == str(tmp_path)
    assert json.loads(pairs["--seed"]) == 1
    assert "--resume" in arguments
    assert arguments[-6:] == [
        *("--out", str(tmp_path / "runs/ferplus-original-mek-seed1")),
        *("--results", str(tmp_path / "results")),
        *("--threads", "1"),
    ]


def test_runs_of_the_papers_protocol_say_so_and_do_not_ship(tmp_path: Path, asked_for: list[Matrix]) -> None:
    run_reproduce(3, tmp_path, UNTURNED, methods=["mek"], results=tmp_path / "paper", protocol="paper")

    (arguments,) = commands(asked_for)
    assert "--ship" not in arguments
    chosen = {name: arguments[arguments.index(name) + 1] for name in ("--epochs", "--weight-decay", "--augmentation", "--optimizer")}
    assert chosen == {"--epochs": "60", "--weight-decay": "0.0001", "--augmentation": "erase-mirror", "--optimizer": "adam-exponential"}
    assert [arguments[i + 1] for i, part in enumerate(arguments) if part == "--set"] == ["consistency=0.12", "smoothing=0.1"]


def test_every_choice_of_the_command_comes_to_its_runs(tmp_path: Path, asked_for: list[Matrix]) -> None:
    chosen = ["--seeds", "2", "3", "--methods", "mek", "--workers", "5", "--protocol", "paper", "--precision", "32-true"]
    assert main(["reproduce", "--table", "3", "--data", str(tmp_path), "--results", str(tmp_path / "mine"), *chosen]) == 0

    (matrix,) = asked_for
    assert (matrix.workers, matrix.results) == (5, tmp_path / "mine")
    for seed, arguments in zip((2, 3), commands(asked_for), strict=True):
        assert arguments[:4] == [sys.executable, "-m", "app.cli", "train"]
        pairs = {name: arguments[arguments.index(name) + 1] for name in ("--method", "--seed", "--precision", "--out", "--results")}
        assert pairs == {
            "--method": "mek",
            "--seed": str(seed),
            "--precision": "32-true",
            "--out": f"runs/paper/ferplus-original-mek-seed{seed}",
            "--results": str(tmp_path / "mine"),
        }
