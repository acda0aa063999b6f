"""What the runs of a table share, the paper's way of training as a preset, and the constants that methods have by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from model.checkpoints import CheckpointMetadata
from model.measuring.results import RunResult
from model.methods.settings import usual_settings, whole_settings
from model.paper import published_counts

AUGMENTATIONS = ("full", "erase-mirror", "erase")  # as model.data.augment has them
OPTIMIZERS = ("adamw-onecycle", "adam-exponential")  # as model.training.optimization has them


@dataclass(frozen=True)
class Protocol:
    """What every run of a table shares: the network, the side of its input in pixels, the length of a run, the optimizer's settings, the
    parts a batch is seen in over all processes, over which BatchNorm takes its statistics, the file a ResNet-18 starts from, if any, and
    by name how faces are changed and what optimizes with which schedule."""

    network: str = "dlib_resnet"
    input_size: int = 99
    epochs: int = 10
    batch: int = 64
    lr: float = 2e-4
    weight_decay: float = 1e-3
    parts: int = 1
    resnet18_weights: str | None = None
    augmentation: str = "full"
    optimizer: str = "adamw-onecycle"

    @classmethod
    def of(cls, run: RunResult | CheckpointMetadata) -> Self:
        """The protocol of a run that was made; one from before augmentation and optimizer could be chosen had the defaults."""
        chosen = run.hyperparameters
        lr, weight_decay = (float(str(chosen[name])) for name in ("lr", "weight_decay"))
        weights = chosen.get("resnet18_weights")
        return cls(
            run.network,
            run.input_size,
            run.epochs,
            run.batch,
            lr,
            weight_decay,
            int(str(chosen["parts"])),
            None if weights is None else str(weights),
            str(chosen.get("augmentation", cls.augmentation)),
            str(chosen.get("optimizer", cls.optimizer)),
        )

    def deviations(self, usual: Protocol | None = None) -> dict[str, object]:
        """What is not as in another protocol, by name; the other is that of the tables unless given."""
        return {name: value for name, value in asdict(self).items() if value != getattr(usual or Protocol, name)}

    def matches(self, result: RunResult) -> bool:
        """Whether a result was measured under this protocol, with the method's constants of it and on all of its training faces."""
        return not self.differences(result)

    def differences(self, result: RunResult) -> list[str]:
        """What of a result is not as under this protocol, by name: choices, the method's ``settings``, the ``training faces``."""
        differing = list(Protocol.of(result).deviations(self))
        usual = usual_settings(result.method) | dict(own_constants(self, result.method))
        if whole_settings(result.method, result.settings) != usual:
            differing.append("settings")
        published = published_counts(result.dataset, result.imbalance)
        if published is not None and result.training_counts != published:
            differing.append("training faces")
        return differing


PAPER = "paper"
# MEK's code is published for a Swin only, so its ResNet runs are taken to be those of EAC's and RUL's code for ResNet-18,
# but that every method mirrors.
PROTOCOLS = {
    "project": Protocol(),
    PAPER: Protocol(epochs=60, weight_decay=1e-4, augmentation="erase-mirror", optimizer="adam-exponential"),
}
# What methods have there in place of their usual constants: consistency as in the official codes. MEK's smoothing is what the paper is said
# to have for its ResNet; the official code has 0.3.
_PAPER_CONSTANTS: Mapping[str, Mapping[str, float]] = {"eac": {"consistency": 5.0}, "mek": {"consistency": 0.1, "smoothing": 0.1}}
# By how much consistency must be stronger than in a ResNet-18, whose maps' squared gaps are larger (benchmarks/map_sizes.py).
_MAP_SIZES = {"dlib_resnet": 1.2, "resnet18": 1.0}


def is_the_papers(protocol: Protocol) -> bool:
    """Whether a protocol optimizes as the paper's does, whatever else of it is replaced."""
    return protocol.optimizer == PROTOCOLS[PAPER].optimizer


def own_constants(protocol: Protocol, method: str) -> Mapping[str, float]:
    """What a method has under a protocol in place of its usual constants: in the paper's the paper's, else nothing."""
    if not is_the_papers(protocol) or method not in _PAPER_CONSTANTS:
        return {}
    constants = _PAPER_CONSTANTS[method]
    return {**constants, "consistency": constants["consistency"] * _MAP_SIZES[protocol.network]}
