"""The runs that Tables 1 to 3 are made of, and the command that does each."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from model.data.protocols import ORIGINAL
from model.errors import InputError
from model.measuring.results import result_path
from model.paper import paper_tables, published_counts
from model.training.protocol import Protocol, own_constants

# Rows that the paper does not have, by table. Tables 1 and 2 are printed without plain training, from which the others must be told.
BEYOND_THE_PAPER = {1: ("baseline", "mek_sf", "cac"), 2: ("baseline", "mek_sf", "cac"), 3: ("mek_sf", "cac", "votes", "mek_votes")}


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
