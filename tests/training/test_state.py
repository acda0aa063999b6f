"""A saved state is believed only whole: any changed bit, missing field or foreign tensor is one sentence that names file and field."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

from model.training.optimization import build_optimizer
from model.training.protocol import OPTIMIZERS
from model.training.state import PREVIOUS_FILE, STATE_FILE, Progress, RunParts, StateError, load_state, refuse_saved_state, save_state

EPOCHS, STEPS = 3, 5


def made_parts(optimized_by: str = "adamw-onecycle", **identity: object) -> RunParts:
    """A run of one small layer, its optimizer and its schedule."""
    torch.manual_seed(0)
    method = torch.nn.Linear(64, 64)
    optimizer, schedule = build_optimizer(optimized_by, [*method.parameters()], [], 0.1, 0.01, EPOCHS, STEPS)
    return RunParts(method, optimizer, schedule, {"method": "baseline", "seed": 1} | identity, EPOCHS, STEPS)


def train(parts: RunParts, progress: Progress, steps: int = STEPS) -> None:
    generator = torch.Generator().manual_seed(progress.epoch)
    for _ in range(steps):
        parts.method(torch.randn(8, 64, generator=generator)).square().mean().backward()
        parts.optimizer.step()
        parts.optimizer.zero_grad()
        parts.schedule.step()
        progress.advance(1.0)


def trained(directory: Path, epochs: int, optimized_by: str = "adamw-onecycle") -> RunParts:
    """Train so many epochs and save the state after each."""
    parts, progress = made_parts(optimized_by), Progress()
    for _ in range(epochs):
        train(parts, progress)
        progress.finish_epoch()
        save_state(directory, parts, progress)
    return parts


def refusal(directory: Path, parts: RunParts | None = None) -> str:
    """The sentence a state is refused with, without the file's name, which it must begin with."""
    with pytest.raises(StateError) as caught:
        load_state(directory, parts or made_parts())
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.startswith(f"{directory / STATE_FILE} ")
    return sentence.removeprefix(f"{directory / STATE_FILE} ")


def rewrite(directory: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], object]) -> None:
    """Change a state's metadata or tensors and sign it again, as a program with other ideas of a state would."""
    path = directory / STATE_FILE
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        texts = file.metadata()
    run = json.loads(texts["run"])
    change(run, tensors)
    data = save(tensors, texts | {"run": json.dumps(run), "sha256": "0" * 64})
    path.write_bytes(data.replace(b'"sha256":"' + b"0" * 64, b'"sha256":"' + hashlib.sha256(data).hexdigest().encode()))


@pytest.mark.parametrize("optimized_by", OPTIMIZERS)
def test_what_is_loaded_continues_to_the_same_bits_and_rates(tmp_path: Path, optimized_by: str) -> None:
    whole = trained(tmp_path / "whole", 3, optimized_by)
    trained(tmp_path / "stopped", 2, optimized_by)
    parts = made_parts(optimized_by)
    progress = load_state(tmp_path / "stopped", parts)
    assert (progress.epoch, progress.step) == (2, 0)
    train(parts, progress)
    for one, other in zip(parts.method.parameters(), whole.method.parameters(), strict=True):
        assert torch.equal(one, other)
    assert parts.schedule.get_last_lr() == whole.schedule.get_last_lr()


def test_a_state_of_one_step_continues_at_its_learning_rate(tmp_path: Path) -> None:
    parts, progress = made_parts(), Progress()
    train(parts, progress, steps=1)
    save_state(tmp_path, parts, progress)
    again = made_parts()
    assert load_state(tmp_path, again).step == 1
    assert again.optimizer.param_groups[0]["lr"] == parts.optimizer.param_groups[0]["lr"]


def changed(data: bytes, place: int, content: bytes) -> bytes:
    return data[:place] + content + data[place + len(content) :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: changed(data, len(data) // 2, bytes([data[len(data) // 2] ^ 1])),
        lambda data: changed(data, 20, bytes([data[20] ^ 1])),
        lambda data: changed(data, len(data) // 3, bytes(4096)),
        lambda data: changed(data, len(data) // 3, b"\xff" * 4096),
        lambda data: data[: len(data) // 2],
        lambda data: data + b"junk",
        lambda data: b"",
        lambda data: bytes(len(data)),
        lambda data: b"\xff" * len(data),
    ],
    ids=["bit of a tensor", "bit of the header", "zeros", "noise", "cut", "longer", "empty", "all zeros", "all ones"],
)
def test_a_damaged_state_is_refused_and_the_one_before_it_offered(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    trained(tmp_path, 2)
    path = tmp_path / STATE_FILE
    path.write_bytes(damage(path.read_bytes()))
    assert "delete this file to continue from the state before it (state.previous.safetensors)" in refusal(tmp_path)
    path.unlink()  # as offered
    assert load_state(tmp_path, made_parts()).epoch == 1


def test_a_first_state_that_is_damaged_has_none_before_it(tmp_path: Path) -> None:
    trained(tmp_path, 1)
    (tmp_path / STATE_FILE).write_bytes(b"")
    assert refusal(tmp_path).endswith(f": delete {tmp_path} to start again")


def test_a_kill_between_the_two_files_leaves_the_one_before(tmp_path: Path) -> None:
    trained(tmp_path, 2)
    (tmp_path / STATE_FILE).unlink()
    with pytest.raises(StateError, match="add --resume to continue it"):
        refuse_saved_state(tmp_path)
    assert load_state(tmp_path, made_parts()).epoch == 1
    assert (tmp_path / PREVIOUS_FILE).is_file()


def test_a_state_of_another_version_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    """One without a digest, as an earlier version wrote it."""
    texts = {"identity": "{}", "progress": '{"epoch": 1}', "groups": "[]", "schedule": "{}"}
    save_file({"method.weight": torch.zeros(64, 64)}, tmp_path / STATE_FILE, texts)
    assert refusal(tmp_path).startswith("was written by another version of this program: finish the run with that one, or delete")


def test_a_run_that_differs_names_every_difference(tmp_path: Path) -> None:
    trained(tmp_path, 1)
    assert refusal(tmp_path, made_parts(seed=2, batch=8)).startswith("is of a run that differs in batch, seed:")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda run, _: run.pop("identity"), "field identity: Field required"),
        (lambda run, _: run.update(identity=[]), "field identity: "),
        (lambda run, _: run.pop("progress"), "field progress: Field required"),
        (lambda run, _: run.update(more=1), "field more: "),
        (lambda run, _: run["progress"].update(epoch="1"), "field progress.epoch: "),
        (lambda run, _: run["progress"].update(epoch=-1), "field progress.epoch: "),
        (lambda run, _: run["progress"].update(step=-1), "field progress.step: "),
        (lambda run, _: run["progress"].update(seconds=float("nan")), "field progress.seconds: "),
        (lambda run, _: run["progress"].update(revisions=7), "field progress.revisions: "),
        (lambda run, _: run["progress"].update(epoch=0, step=0), "field progress: epoch 0, step 0, but the run has 3 epochs of 5 steps"),
        (lambda run, _: run["progress"].update(epoch=4), "field progress: epoch 4, step 0, but the run has 3 epochs of 5 steps"),
        (lambda run, _: run["progress"].update(epoch=3, step=1), "field progress: epoch 3, step 1,"),
        (lambda run, _: run["progress"].update(step=6), "field progress: epoch 1, step 6,"),
        (lambda _, tensors: tensors.update({"method.wait": tensors.pop("method.weight")}), "tensor method.wait belongs to no part"),
        (lambda _, tensors: tensors.pop("method.bias"), "tensor method.bias is missing"),
        (lambda _, tensors: tensors.update({"method.bias": torch.zeros(3)}), "tensor method.bias has another shape"),
        (lambda _, tensors: tensors.update({"method.bias": torch.zeros(64, dtype=torch.int64)}), "tensor method.bias has another shape"),
        (lambda _, tensors: tensors.update({"optimizer.0.avg": tensors.pop("optimizer.0.exp_avg")}), "tensor optimizer.0.avg belongs"),
        (lambda _, tensors: tensors.update({"optimizer.2.step": torch.ones(())}), "tensor optimizer.2.step belongs to no part"),
        (lambda _, tensors: tensors.update({"optimizer.x.step": torch.ones(())}), "tensor optimizer.x.step belongs to no part"),
        (lambda _, tensors: tensors.pop("optimizer.1.exp_avg"), "tensor optimizer.1.exp_avg is missing"),
        (lambda _, tensors: tensors.update({"optimizer.1.exp_avg": torch.zeros(3)}), "tensor optimizer.1.exp_avg has another shape"),
    ],
)
def test_a_state_that_fits_no_run_names_the_field(
    tmp_path: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], object], reason: str
) -> None:
    trained(tmp_path, 1)
    rewrite(tmp_path, change)
    assert refusal(tmp_path).startswith(f"is damaged ({reason}")
