"""The learning rates that a run goes through, by name of its optimizer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from model.training.optimization import build_optimizer
from model.training.protocol import PROTOCOLS
from tests.training.test_loop import assert_same_bits, config, train, weights

STEPS = 3


def rates(name: str, epochs: int) -> list[list[float]]:
    """The rates of each parameter group at every step of a run."""
    network, head = [nn.Parameter(torch.ones(1))], [nn.Parameter(torch.ones(1))]
    optimizer, schedule = build_optimizer(name, network, head, 2e-4, 1e-4, epochs, STEPS)
    seen = []
    for _ in range(epochs * STEPS):
        seen.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return seen


def test_exponential_rates_fall_once_an_epoch_by_a_tenth_in_sixty() -> None:
    seen = rates("adam-exponential", 60)
    assert [len(groups) for groups in seen] == [1] * len(seen)  # one rate for all
    flat = [groups[0] for groups in seen]
    assert flat[:4] == pytest.approx([2e-4, 2e-4, 2e-4, 1.8e-4])
    assert flat[-1] == pytest.approx(2e-4 * 0.9**59)


def test_a_shorter_run_ends_at_the_same_rate() -> None:
    factor = 0.9 ** (60 / 12)
    assert rates("adam-exponential", 12)[STEPS][0] == pytest.approx(2e-4 * factor)


def test_one_cycle_warms_up_and_the_head_has_ten_times_the_rate() -> None:
    seen = rates("adamw-onecycle", 20)
    network, head = zip(*seen, strict=True)
    assert head == pytest.approx([10 * rate for rate in network])
    assert max(network) == pytest.approx(2e-4)
    assert network.index(max(network)) == pytest.approx(0.15 * len(seen), abs=1)
    assert network[-1] < 1e-6


def test_weight_decay_of_adam_stands_in_the_gradient() -> None:
    # A gradient of nothing but decay: Adam's first step is the rate in the direction of its sign, AdamW's is rate times decay times weight.
    moved = {}
    for name in ("adam-exponential", "adamw-onecycle"):
        weight = nn.Parameter(torch.tensor([2.0]))
        optimizer, _ = build_optimizer(name, [weight], [nn.Parameter(torch.ones(1))], 1e-2, 1e-1, 1, 10)
        rate = optimizer.param_groups[0]["lr"]
        weight.grad = torch.zeros(1)
        optimizer.step()
        moved[name] = (2.0 - weight.item()) / rate
    assert moved == pytest.approx({"adam-exponential": 1.0, "adamw-onecycle": 0.2}, rel=1e-3)


def test_a_run_of_the_papers_protocol_ends_at_the_same_bits_and_rate(tmp_path: Path) -> None:
    paper = PROTOCOLS["paper"]
    chosen = config("baseline", augmentation=paper.augmentation, optimizer=paper.optimizer)
    train(chosen, tmp_path / "whole")
    again = train(chosen, tmp_path / "again")
    assert again.schedule.get_last_lr()[0] == pytest.approx(2e-4 * 0.9**60)
    assert_same_bits(weights(tmp_path / "whole"), weights(tmp_path / "again"))
