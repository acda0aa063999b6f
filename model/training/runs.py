"""The runs that Tables 1 to 3 are made of, and the command that does each."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from model.checkpoints import CheckpointMetadata
from model.data.protocols import ORIGINAL
from model.errors import InputError
from model.measuring.results import RunResult, result_path
from model.methods.settings import usual_settings, whole_settings
from model.paper import paper_tables, published_counts

# Rows that the paper does not have, by table. Tables 1 and 2 are printed without plain training, from which the others must be told.
BEYOND_THE_PAPER = {1: ("baseline", "mek_sf", "cac"), 2: ("baseline", "mek_sf", "cac"), 3: ("mek_sf", "cac", "votes", "mek_votes")}


AUGMENTATIONS = ("full", "erase-mirror", "erase")  # as model.data.augment has them
OPTIMIZERS = ("adamw-onecycle", "adam-exponential")  # as model.training.optimization has them


@dataclass(frozen=True)
class Protocol:
    """What every run of a table shares: the network, the side of its input in pixels, the length of a run, the optimizer's settings, the
    parts a batch is seen in, over which BatchNorm takes its statistics, the file a ResNet-18 starts from, if any, and by name how faces
    are changed and what optimizes with which schedule."""

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
# MEK's code is published for a Swin only, so its ResNet runs are taken to be those of EAC's and RUL's code for ResNet-18.
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


@dataclass(frozen=True)
class TableCell:
    """One run: a method on a dataset under an imbalance protocol with a seed."""

    method: str
    dataset: str
    imbalance: str
    seed: int

    @property
    def name(self) -> str:
        """The run's name, as its result file and folder have it."""
        return result_path(Path(), self.method, self.dataset, self.imbalance, self.seed).stem

    @property
    def may_ship(self) -> bool:
        """Whether the run's checkpoint may be one of those the application serves: FERPlus as it is."""
        return self.dataset == "ferplus" and self.imbalance == ORIGINAL

    @property
    def ships(self) -> bool:
        """Whether it is the one of its method that is served, as long as nobody ships another seed's by hand: the first seed."""
        return self.may_ship and self.seed == 1

    def arguments(self, data: str, protocol: Protocol) -> list[str]:
        """Arguments of ``unturned`` that do the run, or continue it; only runs of this project's protocol ship."""
        shared: dict[str, object] = {
            "method": self.method,
            "dataset": self.dataset,
            "imbalance": self.imbalance,
            "seed": self.seed,
            "data": data,
            "network": protocol.network,
            "input-size": protocol.input_size,
            "epochs": protocol.epochs,
            "batch": protocol.batch,
            "lr": f"{protocol.lr:g}",
            "weight-decay": f"{protocol.weight_decay:g}",
        }
        for name, value in protocol.deviations().items():
            shared.setdefault(name.replace("_", "-"), value)
        options = [part for name, value in shared.items() for part in (f"--{name}", str(value))]
        for name, constant in own_constants(protocol, self.method).items():
            options += ["--set", f"{name}={constant:g}"]
        return ["train", *options, "--resume", *(["--ship"] if self.ships and protocol == Protocol() else [])]

    def command(self, data: str, protocol: Protocol) -> str:
        """The same as one line for a shell."""
        return shlex.join(["unturned", *self.arguments(data, protocol)])


def table_cells(number: int, seeds: Iterable[int], methods: Collection[str] | None = None) -> list[TableCell]:
    """The runs of Table 1, 2 or 3, seed by seed in the order of its rows, then this project's own rows.

    Args:
        methods: only these; all by default.

    Raises:
        InputError: no such table, or a method that the table or this program does not have.
    """
    table = paper_tables().accuracy_table(number)
    beyond = BEYOND_THE_PAPER[number]
    rows = [(s.imbalance, method) for s in table.sections for method in [*(row.method for row in s.rows), *beyond]]
    known = {method for _, method in rows}
    unknown = set(methods or ()) - known
    if unknown:
        raise InputError(f"Table {number} has no row {', '.join(sorted(unknown))}: choose from {', '.join(sorted(known))}")
    wanted = known if methods is None else set(methods)
    return [TableCell(method, table.dataset, imbalance, seed) for seed in seeds for imbalance, method in rows if method in wanted]


def training_faces(cell: TableCell) -> int:
    """Size of a run's training set, as Tables 4 and 5 have it."""
    counts = published_counts(cell.dataset, cell.imbalance)
    assert counts is not None
    return sum(counts.values())
