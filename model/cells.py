"""The runs that Tables 1 to 3 are made of, and the command that does each."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from model.data.imbalance import ORIGINAL
from model.methods import METHODS
from model.paper import paper_tables
from model.results import RunResult, result_path

# Rows that the paper does not have, by table.
BEYOND_THE_PAPER = {1: ("mek_sf",), 2: ("mek_sf",), 3: ("mek_sf", "votes", "mek_votes")}


@dataclass(frozen=True)
class Protocol:
    """What every run of a table shares; the defaults are those of ``model.training.TrainingConfig``, which the service cannot import."""

    network: str = "dlib_resnet"
    input_size: int = 99
    epochs: int = 10
    batch: int = 64

    def matches(self, result: RunResult) -> bool:
        """Whether a result was measured under this protocol."""
        return self == Protocol(result.network, result.input_size, result.epochs, result.batch)


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
    def ships(self) -> bool:
        """Whether the run's checkpoint is one of those the application serves: Table 3, first seed."""
        return self.dataset == "ferplus" and self.imbalance == ORIGINAL and self.seed == 1

    def arguments(self, data: str, protocol: Protocol) -> list[str]:
        """Arguments of ``unturned`` that do the run, or continue it."""
        shared = {
            "method": self.method,
            "dataset": self.dataset,
            "imbalance": self.imbalance,
            "seed": self.seed,
            "data": data,
            "network": protocol.network,
            "input-size": protocol.input_size,
            "epochs": protocol.epochs,
            "batch": protocol.batch,
        }
        options = [part for name, value in shared.items() for part in (f"--{name}", str(value))]
        return ["train", *options, "--resume", *(["--ship"] if self.ships else [])]

    def command(self, data: str, protocol: Protocol) -> str:
        """The same as one line for a shell."""
        return shlex.join(["unturned", *self.arguments(data, protocol)])


def table_cells(number: int, seeds: Iterable[int], methods: Collection[str] | None = None) -> list[TableCell]:
    """The runs of Table 1, 2 or 3, seed by seed in the order of its rows, then this project's own rows.

    Args:
        methods: only these; all by default.

    Raises:
        ValueError: no such table, or a method that the table or this program does not have.
    """
    table = paper_tables().accuracy_table(number)
    beyond = [method for method in BEYOND_THE_PAPER[number] if method in METHODS]
    rows = [(s.imbalance, method) for s in table.sections for method in [*(row.method for row in s.rows), *beyond]]
    known = {method for _, method in rows if method in METHODS}
    unknown = set(methods or ()) - known
    if unknown:
        raise ValueError(f"Table {number} has no row {', '.join(sorted(unknown))}: choose from {', '.join(sorted(known))}")
    wanted = known if methods is None else set(methods)
    return [TableCell(method, table.dataset, imbalance, seed) for seed in seeds for imbalance, method in rows if method in wanted]


def training_faces(cell: TableCell) -> int:
    """Size of a run's training set, as Tables 4 and 5 have it."""
    return next(
        sum(row.counts)
        for table in paper_tables().count_tables
        for row in table.rows
        if (table.dataset, row.imbalance) == (cell.dataset, cell.imbalance)
    )
