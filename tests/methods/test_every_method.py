"""What holds for every training method: it learns, its state is all in its state_dict, its maps are exact, a stopped run continues."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file

import model.training.loop as loop
from model.data.faces import FaceSet
from model.methods.base import Method
from model.methods.registry import METHODS, find_method
from model.methods.settings import METHOD_NAMES, find_settings
from model.training.config import TrainingConfig
from model.training.preparing import prepare_run
from model.training.processes import Interrupted
from model.training.state import STATE_FILE, Progress
from tests.methods.cases import FACES, real_batch, real_method

STEPS = 10


def train(method: Method, steps: int) -> list[float]:
    """Losses of some steps on the same faces, in the last epoch, where every part of every loss counts."""
    method.train()
    method.begin_epoch(method.task.epochs)
    trainable = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, 1e-3)
    losses = []
    for step in range(1, steps + 1):
        loss = method(real_batch())["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        method.after_step(step)
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", METHODS)
def test_ten_steps_lower_the_loss(name: str) -> None:
    losses = train(real_method(name), STEPS)
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


@pytest.mark.parametrize("name", METHODS)
def test_the_state_dict_is_the_whole_state(name: str) -> None:
    method, other = real_method(name, seed=1), real_method(name, seed=2)
    train(method, 3)
    other.train()
    other.load_state_dict(method.state_dict())
    losses = []
    for each in (method, other):
        torch.manual_seed(7)
        losses.append(each(real_batch()))
    assert losses[0].keys() == losses[1].keys()
    assert all(torch.equal(losses[0][part], losses[1][part]) for part in losses[0])


@pytest.mark.parametrize("name", METHODS)
def test_maps_of_the_served_classifier_add_up_to_its_logits(name: str) -> None:
    method = real_method(name)
    train(method, 2)
    served = method.inference().eval()
    prediction = served(real_batch().images)
    assert prediction.maps.shape == (FACES, 7, 3, 3)
    torch.testing.assert_close(prediction.logits, prediction.maps.mean((2, 3)) + served.head.bias, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_is_given_in_single_precision_under_mixed_precision(name: str) -> None:
    method = real_method(name).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = method(real_batch())["loss"]
    assert loss.dtype == torch.float32
    assert loss.isfinite()


def random_faces() -> FaceSet:
    generator = torch.Generator().manual_seed(5)
    images = torch.randint(0, 256, (24, 48, 48), generator=generator, dtype=torch.uint8)
    votes = torch.randint(0, 10, (24, 10), generator=generator)
    return FaceSet(images, torch.arange(24) % 7, votes, tuple(f"face-{index}" for index in range(24)))


def fit(name: str, directory: Path, stop_at: tuple[int, int] | None) -> None:
    """A run of three epochs of three steps, stopped after step ``stop_at`` (epoch counted from 0, step)."""
    config = TrainingConfig(method=name, input_size=67, epochs=3, batch=8, precision="32-true")
    run = prepare_run(config, random_faces())

    def on_step(progress: Progress, _losses: dict[str, float]) -> None:
        if (progress.epoch, progress.step) == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    loop.fit(run, Fabric(accelerator="cpu", devices=1), directory, True, on_step, lambda _epoch, _method: {})


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_run_stopped_within_an_epoch_continues_to_the_same_bits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LOG_EVERY_STEPS", 1)
    fit(name, tmp_path / "whole", None)
    with pytest.raises(Interrupted):
        fit(name, tmp_path / "stopped", (1, 2))
    fit(name, tmp_path / "stopped", None)
    whole, stopped = (load_file(tmp_path / part / STATE_FILE) for part in ("whole", "stopped"))
    assert whole.keys() == stopped.keys()
    assert not [tensor for tensor in whole if not torch.equal(whole[tensor], stopped[tensor])]


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown method 'mex': choose one of baseline, cb, scn"):
        find_method("mex")


def test_the_constants_told_without_pytorch_are_the_methods() -> None:
    assert tuple(METHODS) == METHOD_NAMES
    assert {name: find_settings(name) for name in METHOD_NAMES} == {name: method.Settings for name, method in METHODS.items()}
