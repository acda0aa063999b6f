"""The training loop: a killed run continues to the same bits, two processes agree with one, the log and the state are what they say."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file

from model.data.augment import Augmentation
from model.data.faces import FaceSet
from model.files.revision import code_revision
from model.methods.base import Method
from model.methods.registry import METHODS
from model.preprocessing import network_input
from model.training.config import TrainingConfig
from model.training.loop import fit
from model.training.preparing import Run, prepare_run
from model.training.processes import native_precision
from model.training.state import LOG_FILE, STATE_FILE, Progress, RunLog, StateError, read_log

FACES = 56  # seven batches of eight
WORKER = Path(__file__).parent / "training_worker.py"
PATIENCE_SECONDS = 600  # for what must end; nothing is timed


def random_faces() -> FaceSet:
    generator = torch.Generator().manual_seed(5)
    images = torch.randint(0, 256, (FACES, 48, 48), generator=generator, dtype=torch.uint8)
    labels = torch.arange(FACES) % 7
    return FaceSet(images, labels, torch.zeros(FACES, 10, dtype=torch.int64), tuple(f"face-{index}" for index in range(FACES)))


def config(method: str, **changes: int | str) -> TrainingConfig:
    return TrainingConfig(method=method, input_size=67, epochs=2, batch=8, precision="32-true", **changes)  # type: ignore[arg-type]


def train(chosen: TrainingConfig, directory: Path, resume: bool = False) -> Run:
    run = prepare_run(chosen, random_faces())
    fit(run, Fabric(accelerator="cpu", devices=1), directory, resume, lambda _progress, _losses: None, lambda _epoch, _method: {})
    return run


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / STATE_FILE)


def assert_same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different, different[:5]


def start_worker(
    method: str, directory: Path, parts: int = 1, launcher: tuple[str, ...] = (), **variables: str | int
) -> subprocess.Popen[str]:
    command = [sys.executable, *launcher, str(WORKER), method, str(parts), str(directory)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(WORKER.parents[2])}
    environment |= {name: str(value) for name, value in variables.items()}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_step(directory: Path, epoch: int, step: int, worker: subprocess.Popen[str]) -> None:
    """Until the worker's marker file says it has finished that step."""
    marker = directory / f"step-{epoch}-{step}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not marker.exists():
        if worker.poll() is not None or time.monotonic() > deadline:
            worker.kill()
            pytest.fail(f"the run ended early, or hangs:\n{worker.communicate()[0]}")
        time.sleep(0.02)


def end_of(worker: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status and output, waited for; a worker that hangs is killed."""
    try:
        output, _ = worker.communicate(timeout=PATIENCE_SECONDS)
    finally:
        worker.kill()
    return worker.returncode, output


@pytest.mark.slow
def test_a_run_killed_in_the_middle_of_an_epoch_continues_to_the_same_bits(tmp_path: Path) -> None:
    status, output = end_of(start_worker("mek_sf", tmp_path / "whole"))
    assert status == 0, output
    worker = start_worker("mek_sf", tmp_path / "killed")
    wait_for_step(tmp_path / "killed", 2, 3, worker)
    worker.send_signal(signal.SIGKILL)
    status, output = end_of(worker)
    assert status == -signal.SIGKILL, output
    status, output = end_of(start_worker("mek_sf", tmp_path / "killed"))
    assert status == 0, output
    assert_same_bits(weights(tmp_path / "killed"), weights(tmp_path / "whole"))


@pytest.mark.slow
def test_an_interrupted_run_saves_its_step_and_continues_to_the_same_bits(tmp_path: Path) -> None:
    whole = train(config("baseline"), tmp_path / "whole")
    worker = start_worker("baseline", tmp_path / "stopped")
    wait_for_step(tmp_path / "stopped", 1, 2, worker)
    worker.send_signal(signal.SIGTERM)
    status, output = end_of(worker)
    assert status == 130, output
    saved = weights(tmp_path / "stopped")
    before = read_log(tmp_path / "whole")[0]["loss"]  # the mean of all seven steps of the first epoch
    assert any(name.startswith("optimizer.") for name in saved)
    status, output = end_of(start_worker("baseline", tmp_path / "stopped"))
    assert status == 0, output
    assert_same_bits(weights(tmp_path / "stopped"), weights(tmp_path / "whole"))
    assert whole.steps_per_epoch == FACES // 8
    parts = [entry["loss"] for entry in read_log(tmp_path / "stopped") if entry["epoch"] == 1 and "loss" in entry]
    assert sum(parts) / len(parts) == pytest.approx(before, rel=1e-4)  # logged step by step there, over the interrupt


def losses(directory: Path) -> list[float]:
    entries = [json.loads(line) for line in (directory / LOG_FILE).read_text().splitlines()]
    return [entry["loss"] for entry in entries if "loss" in entry]


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one_that_adds_up_half_batches(tmp_path: Path) -> None:
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    for worker in (start_worker("baseline", tmp_path / "one", parts=2), start_worker("baseline", tmp_path / "two", launcher=torchrun)):
        status, output = end_of(worker)
        assert status == 0, output
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == 14
    assert two == pytest.approx(one, rel=1e-4)


@pytest.mark.slow
def test_processes_stop_at_the_same_step_when_one_is_asked_to(tmp_path: Path) -> None:
    """As torchrun starts them, but without torchrun, which would ask the others."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "TORCHELASTIC_RUN_ID": "two"}
    workers = [start_worker("baseline", tmp_path, **group, RANK=rank, LOCAL_RANK=rank) for rank in range(2)]
    try:
        wait_for_step(tmp_path, 1, 1, workers[1])
        workers[1].send_signal(signal.SIGTERM)
        ends = [end_of(worker) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [status for status, _ in ends] == [130, 130], ends
    assert (tmp_path / STATE_FILE).is_file()


def test_a_state_of_another_config_is_refused_by_name(tmp_path: Path) -> None:
    train(config("baseline"), tmp_path)
    run = prepare_run(config("baseline", seed=2), random_faces())
    with pytest.raises(StateError, match="differs in seed"):
        fit(run, Fabric(accelerator="cpu", devices=1), tmp_path, True, lambda _p, _l: None, lambda _e, _m: {})


def test_a_state_of_other_faces_or_other_constants_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Constants count as resolved: a changed default is another run, too."""
    train(config("cb"), tmp_path)
    faces = random_faces()
    fewer = prepare_run(config("cb"), faces.subset(torch.arange(48)))
    with pytest.raises(StateError, match="differs in training faces"):
        fit(fewer, Fabric(accelerator="cpu", devices=1), tmp_path, True, lambda _p, _l: None, lambda _e, _m: {})
    changed = prepare_run(config("cb"), faces)
    monkeypatch.setattr(changed.method, "settings", replace(changed.method.settings, beta=0.5))
    with pytest.raises(StateError, match="differs in settings"):
        fit(changed, Fabric(accelerator="cpu", devices=1), tmp_path, True, lambda _p, _l: None, lambda _e, _m: {})


def test_a_state_with_one_changed_bit_is_refused_and_without_it_the_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    train(config("baseline"), tmp_path)
    whole = weights(tmp_path)
    data = bytearray((tmp_path / STATE_FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / STATE_FILE).unlink()  # not written over, since the weights just read are mapped from it
    (tmp_path / STATE_FILE).write_bytes(data)
    with pytest.raises(StateError, match=r"is damaged .*: delete this file to continue from the state before it"):
        train(config("baseline"), tmp_path, resume=True)
    (tmp_path / STATE_FILE).unlink()
    train(config("baseline"), tmp_path, resume=True)
    assert_same_bits(weights(tmp_path), whole)


def test_a_run_begun_anew_does_not_replace_what_another_has_trained(tmp_path: Path) -> None:
    train(config("baseline"), tmp_path)
    before = (tmp_path / STATE_FILE).read_bytes()
    with pytest.raises(StateError, match="add --resume to continue it, or delete"):
        train(config("baseline"), tmp_path)
    assert (tmp_path / STATE_FILE).read_bytes() == before


def test_a_state_of_several_processes_is_refused_by_one(tmp_path: Path) -> None:
    class OfTwo(Fabric):
        world_size = property(lambda _self: 2)

    train(config("baseline"), tmp_path)
    run = prepare_run(config("baseline"), random_faces())
    with pytest.raises(StateError, match="differs in processes"):
        fit(run, OfTwo(accelerator="cpu", devices=1), tmp_path, True, lambda _p, _l: None, lambda _e, _m: {})


def test_the_log_of_a_run_begun_anew_has_nothing_of_one_killed_before_its_first_state(tmp_path: Path) -> None:
    RunLog(tmp_path, enabled=True, fresh=True).write({"epoch": 1, "finished": True})
    train(config("baseline"), tmp_path)
    assert [entry["epoch"] for entry in read_log(tmp_path) if entry.get("finished")] == [1, 2]


def test_a_log_line_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    train(config("baseline"), tmp_path)
    whole = read_log(tmp_path)
    with (tmp_path / LOG_FILE).open("a") as file:
        file.write('{"epoch": 3, "st')
    train(config("baseline"), tmp_path, resume=True)
    RunLog(tmp_path, enabled=True, fresh=False).write({"epoch": 3})
    assert read_log(tmp_path) == [*whole, {"epoch": 3}]


@pytest.mark.parametrize("method", sorted({*METHODS} - {"baseline", "bbn"}))
def test_every_method_of_a_seed_starts_from_the_same_weights(method: str) -> None:
    faces = random_faces()
    one, other = prepare_run(config("baseline"), faces), prepare_run(config(method), faces)
    for (name, a), b in zip(one.method.classifier.state_dict().items(), other.method.classifier.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_the_log_has_every_epoch_and_the_figures_of_its_end(tmp_path: Path) -> None:
    run = prepare_run(config("baseline"), random_faces())
    seen: list[Progress] = []

    def on_epoch(epoch: int, _method: Method) -> dict[str, float]:
        return {"figure": float(epoch)}

    progress = fit(run, Fabric(accelerator="cpu", devices=1), tmp_path, False, lambda reached, _l: seen.append(reached), on_epoch)
    entries = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert [entry["figure"] for entry in entries if entry.get("finished")] == [1.0, 2.0]
    assert progress.seconds > 0
    assert progress.revisions == [code_revision()]
    assert len(seen) == 2  # seven steps an epoch: reported at its end


def test_every_step_draws_its_own_changes_of_the_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []

    def draw_and_keep(_augmentation: Augmentation, faces: torch.Tensor) -> torch.Tensor:
        drawn.append(torch.rand(1).item())
        return network_input(faces, 67)

    monkeypatch.setattr(Augmentation, "__call__", draw_and_keep)
    train(config("baseline"), tmp_path)
    assert len(set(drawn)) == len(drawn) == 14  # two epochs of seven steps


def test_what_is_not_in_the_network_learns_ten_times_as_fast() -> None:
    run = prepare_run(config("scn"), random_faces())  # its confidence is neither in the network nor in the head
    network, others = run.optimizer.param_groups
    assert (network["max_lr"], others["max_lr"]) == pytest.approx((2e-4, 2e-3))
    assert len(network["params"]) == len(list(run.method.classifier.network.parameters()))
    assert len(others["params"]) == 4  # weight and bias of the head, and of the confidence


def test_too_few_faces_for_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer than one batch of 64: choose a smaller --batch"):
        prepare_run(TrainingConfig(method="baseline", input_size=67, batch=64), random_faces())


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({}, "32-true"),
        ({"avx2": True, "avx512_bf16": False}, "32-true"),
        ({"avx512_bf16": True}, "bf16-mixed"),
        ({"amx_bf16": True}, "bf16-mixed"),
    ],
)
def test_bfloat16_is_for_processors_that_have_it(capabilities: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert native_precision() == precision
