"""Optimizer and schedule of a run, by name."""

from __future__ import annotations

from torch import nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

HEAD_LR_FACTOR = 10.0
WARM_UP = 0.15  # of the run
FINAL_LR = 0.9**60  # of the first: a factor of .9 an epoch over the 60 epochs of EAC's and RUL's code


def build_optimizer(
    name: str, network: list[nn.Parameter], others: list[nn.Parameter], lr: float, weight_decay: float, epochs: int, steps_per_epoch: int
) -> tuple[Optimizer, LRScheduler]:
    """Optimizer and schedule, which advances once a step.

    ``adamw-onecycle``: AdamW, the head at ten times the network's rate, both warmed up and annealed (this project's).
    ``adam-exponential``: Adam with weight decay in the gradient, one rate for all, lowered by the same factor after every epoch; the factor
    is .9 in a run of 60 epochs, and brings a shorter one down as far by its end (EAC's code; RUL's, but for its last layer, which has ten
    times the rate there; MEK's ResNet by second hand).

    Args:
        network, others: parameters of the network, and of the head and the method.
        lr: peak, or first, learning rate of the network.

    Raises:
        ValueError: unknown name.
    """
    if name == "adamw-onecycle":
        peaks = [lr, HEAD_LR_FACTOR * lr]
        groups = [{"params": group, "lr": peak} for group, peak in zip((network, others), peaks, strict=True)]
        adamw = AdamW(groups, weight_decay=weight_decay)
        return adamw, OneCycleLR(adamw, peaks, total_steps=steps_per_epoch * epochs, pct_start=WARM_UP, cycle_momentum=False)
    if name != "adam-exponential":
        raise ValueError(f"unknown optimizer {name!r}")
    adam = Adam([*network, *others], lr=lr, weight_decay=weight_decay)
    factor = FINAL_LR ** (1 / epochs)
    return adam, LambdaLR(adam, lambda step: factor ** (step // steps_per_epoch))
