"""A run before its first step: network, head, method and optimizer, the same initial weights for every method of a seed."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.classifier import ExpressionClassifier, PooledHead
from model.data.faces import FaceSet
from model.errors import InputError
from model.methods.base import Method, TrainingTask
from model.methods.registry import find_method
from model.networks import network_grid
from model.networks.build import build_network
from model.networks.dlib_resnet import DlibResNet
from model.networks.dlib_weights import calibrate_batchnorm, find_weights, load_dlib_weights, read_layers
from model.preprocessing import network_input
from model.training.config import TrainingConfig
from model.training.optimization import build_optimizer
from model.training.teachers import digest

CALIBRATION_FACES = 1024


@dataclass
class Run:
    """A method ready to train: built from a config, with the optimizer and schedule it will use."""

    config: TrainingConfig
    faces: FaceSet
    method: Method
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    steps_per_epoch: int

    def identity(self) -> dict[str, Any]:
        """What a saved state must have in common with the run that continues it: every choice, the constants of the method, the faces,
        what teachers say of them, and the weights begun with. Files count by what they hold, wherever they are."""
        choices = {name: value for name, value in asdict(self.config).items() if name not in {"teachers", "resnet18_weights"}}
        weights = self.config.resnet18_weights
        contents = {
            "training faces": self.faces.digest(),
            "answers": digest(self.method.task.answers),
            "resnet18_weights": None if weights is None else hashlib.sha256(Path(weights).read_bytes()).hexdigest(),
        }
        return choices | {"settings": asdict(self.method.settings)} | contents


def prepare_run(config: TrainingConfig, faces: FaceSet, answers: Tensor | None = None) -> Run:
    """Build network, head, method and optimizer with the same initial weights for every method of a seed.

    Except the head and the BatchNorm calibration of BBN, whose second branch takes random numbers before them, and RUL's own head.

    Args:
        faces: labelled training faces.
        answers: what the teachers say of them, log-probabilities ``(T, L)``.

    Raises:
        InputError: fewer faces than one batch, or a choice that does not exist.
    """
    steps = len(faces) // config.batch
    if steps == 0:
        raise InputError(f"{len(faces)} training faces are fewer than one batch of {config.batch}: choose a smaller --batch")
    method_class = find_method(config.method)
    classifier = pretrained_classifier(config, method_class.tails, faces)
    map_size = network_grid(config.network, config.input_size).cells
    task = TrainingTask(faces.counts(), faces.labels, faces.votes, config.epochs, steps, map_size, answers)
    method = method_class(classifier, task, config.method_settings()).to(memory_format=torch.channels_last)
    network = list(classifier.network.parameters())
    in_network = {id(parameter) for parameter in network}
    others = [parameter for parameter in method.parameters() if parameter.requires_grad and id(parameter) not in in_network]
    optimizer, schedule = build_optimizer(config.optimizer, network, others, config.lr, config.weight_decay, config.epochs, steps)
    return Run(config, faces, method, optimizer, schedule, steps)


def pretrained_classifier(config: TrainingConfig, tails: int, faces: FaceSet) -> ExpressionClassifier:
    """A network as training finds it, with its pretrained weights and a fresh head; ``tails`` are the branches of its last group.

    The BatchNorm statistics of dlib's network, whose file has none, are taken from some of the faces.
    """
    seed_everything(config.seed)
    network = build_network(config.network, tails)
    classifier = ExpressionClassifier(network, PooledHead(network.channels, len(faces.counts())))
    if isinstance(network, DlibResNet):
        load_dlib_weights(network, read_layers(find_weights().read_bytes()))
        chosen = torch.randperm(len(faces))[:CALIBRATION_FACES]
        calibrate_batchnorm(network, (network_input(faces.images[part], config.input_size) for part in torch.split(chosen, 64)))
    elif config.resnet18_weights is not None:
        network.load_pretrained(Path(config.resnet18_weights))
    return classifier


def seed_everything(*numbers: int) -> None:
    """Seed torch's global generator from a sequence of non-negative integers."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1))
