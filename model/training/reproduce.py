"""Runs every missing cell of a table as a process of its own, a few side by side, and shows how far they are.

A cell is finished when its result file exists and was measured under the same protocol. Every run keeps its own state and
continues from it, so this program may be killed at any moment. A run holds the lock of its folder: one that outlives this program,
or was started without it, is waited for instead of started again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from model.errors import InputError, make_folder
from model.files.folder_lock import is_locked
from model.measuring.results import load_result, result_path
from model.training.protocol import PROTOCOLS, Protocol
from model.training.runs import TableCell, table_cells, training_faces
from model.training.shipping import shipping_folder
from model.training.state import read_log

INTERRUPTED = 130
FAILED = 2
RUN_ELSEWHERE = 75  # what `unturned train` ends with when another process works on the same run
POLL_SECONDS = 2.0
BUSY = frozenset({"running", "stopping", "elsewhere"})
OUTPUT_FILE = "output.txt"

Launch = Callable[[TableCell], list[str]]


@dataclass
class CellRun:
    """A cell and how its run stands: ``waiting``, ``running``, ``stopping``, ``elsewhere`` (another program runs it), ``stopped``,
    ``done`` or ``failed``.

    ``steps`` are those of an epoch; ``epochs`` are finished ones, with a fraction, and ``seconds`` were spent in training steps.
    """

    cell: TableCell
    directory: Path
    steps: int
    status: str = "waiting"
    process: subprocess.Popen[bytes] | None = None
    epochs: float = 0.0
    seconds: float = 0.0

    def read_progress(self) -> None:
        """Update ``epochs`` and ``seconds`` from the run's log."""
        for entry in read_log(self.directory)[-1:]:
            done = entry["epoch"] if entry.get("finished") else entry["epoch"] - 1 + entry["step"] / self.steps
            self.epochs, self.seconds = float(done), float(entry["seconds"])

    @property
    def ended_well(self) -> bool:
        """Whether its process said that all is done."""
        return self.process is not None and self.process.returncode == 0

    def last_words(self) -> str:
        """The last line of what the run printed."""
        lines = (self.directory / OUTPUT_FILE).read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing was printed")


@dataclass
class Matrix:
    """The cells of a table on their way: starts runs, watches them, and stops them once ``stop_asked`` is set."""

    runs: list[CellRun]
    results: Path
    protocol: Protocol
    launch: Launch
    workers: int
    stop_asked: bool = field(default=False)

    def step(self) -> bool:
        """Notice what ended, start what there is room for, or ask what runs to save its state and end; returns whether to go on waiting."""
        for run in self.runs:
            self._notice(run)
        for run in self.runs:
            busy = sum(other.status in BUSY for other in self.runs)
            if self.stop_asked:
                _ask_to_stop(run)
            elif run.status == "waiting" and busy < self.workers:
                self._start(run)
        mine = BUSY - {"elsewhere"} if self.stop_asked else BUSY
        return any(run.status in mine for run in self.runs)

    def ask_to_stop(self) -> None:
        """Let the next step end every run of this program; safe to call from a signal handler."""
        self.stop_asked = True

    def seconds_left(self) -> float | None:
        """Estimate from the seconds an epoch took so far: all runs spread over the workers, but no less than the longest takes.

        None before any run has trained and at the end.
        """
        rates = [run.seconds / run.epochs for run in self.runs if run.epochs > 0 and run.seconds > 0]
        unfinished = [run for run in self.runs if run.status in BUSY | {"waiting"}]
        if not rates or not unfinished:
            return None
        mean = sum(rates) / len(rates)
        own = [run.seconds / run.epochs if run.epochs > 0 else mean for run in unfinished]
        left = [rate * (self.protocol.epochs - run.epochs) for rate, run in zip(own, unfinished, strict=True)]
        return max(sum(left) / self.workers, *left)

    def reason(self, run: CellRun) -> str:
        """Why a run that has ended is no cell of the table."""
        path = self._result_path(run.cell)
        differing = self.protocol.differences(load_result(path)) if run.ended_well and path.is_file() else []
        if not differing:
            return run.last_words()
        return f"{path} differs from the table's runs in {', '.join(differing)}, so it is no cell of it"

    def _notice(self, run: CellRun) -> None:
        run.read_progress()
        if run.process is not None and run.status in BUSY - {"elsewhere"} and run.process.poll() is not None:
            ended = "stopped" if run.status == "stopping" else "elsewhere" if run.process.returncode == RUN_ELSEWHERE else "failed"
            run.status = "done" if self._is_finished(run.cell) else ended
        elif run.status == "elsewhere" and not is_locked(run.directory):
            run.status = "done" if self._is_finished(run.cell) else "waiting"
        elif run.status == "waiting" and self._is_finished(run.cell):
            run.status = "done"
        if run.status == "done":
            run.epochs, run.seconds = float(self.protocol.epochs), load_result(self._result_path(run.cell)).seconds

    def _is_finished(self, cell: TableCell) -> bool:
        path = self._result_path(cell)
        return path.is_file() and self.protocol.matches(load_result(path))

    def _result_path(self, cell: TableCell) -> Path:
        return result_path(self.results, cell.method, cell.dataset, cell.imbalance, cell.seed)

    def _start(self, run: CellRun) -> None:
        if is_locked(run.directory):
            run.status = "elsewhere"
            return
        make_folder(run.directory)
        with (run.directory / OUTPUT_FILE).open("ab") as output:
            # A process group of its own keeps the terminal's interrupt from it: it is asked to stop once, and saves its state.
            run.process = subprocess.Popen(  # noqa: S603 (this program itself)
                self.launch(run.cell),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        run.status = "running"


def run_reproduce(
    table: int,
    data: Path,
    program: Sequence[str],
    *,
    seeds: Sequence[int] = (1,),
    workers: int = 2,
    methods: Sequence[str] | None = None,
    results: Path = Path("checkpoints/results"),
    runs: Path = Path("runs"),
    precision: str = "auto",
    protocol: str = "project",
) -> int:
    """``unturned reproduce``: fill a table's missing cells.

    Args:
        table: 1, 2 or 3.
        data: folder or zip of the table's dataset (RAF-DB for Table 1, FERPlus for 2 and 3).
        program: what starts ``unturned``, such as its interpreter and module: each run is its ``train``.
        workers: runs side by side, one thread each.
        methods: only these rows; all by default.
        results: folder of the result files; checkpoints that ship go into the folder that holds it.
        runs: folder of the runs' own folders.
        precision: arithmetic of the network, as ``unturned train`` takes it.
        protocol: a name in :data:`model.training.protocol.PROTOCOLS`; the results of each need a folder of their own.

    Returns:
        0 when every cell is finished, 2 when a run failed, 130 when stopped by SIGINT or SIGTERM.

    Raises:
        InputError: no such table or row, nothing at ``data``, fewer than one worker, or results beside which no checkpoint can ship.
        ResultError: a result file is damaged.
    """
    if workers < 1:
        raise InputError(f"--workers must be at least 1, not {workers}")
    if not data.exists():
        raise InputError(f"{data}: no such folder or file; give --data the dataset of Table {table}")
    shared = PROTOCOLS[protocol]

    def launch(cell: TableCell) -> list[str]:
        out = ["--precision", precision, "--out", str(runs / cell.name), "--results", str(results)]
        return [*program, *cell.arguments(str(data), shared), *out, "--threads", "1"]

    wanted = table_cells(table, seeds, methods)
    if shared == Protocol() and any(cell.ships for cell in wanted):
        shipping_folder(results)
    cells = [CellRun(cell, runs / cell.name, training_faces(cell) // shared.batch) for cell in wanted]
    return run_matrix(Matrix(cells, results, shared, launch, workers))


def run_matrix(matrix: Matrix, poll_seconds: float = POLL_SECONDS) -> int:
    """Work until every run has ended, with a live table of them; returns as :func:`run_reproduce`."""
    console = Console()
    with _on_stop_signals(matrix.ask_to_stop), Live(console=console, auto_refresh=False) as live:
        left = matrix.step()
        while left:
            live.update(progress_table(matrix), refresh=True)
            time.sleep(poll_seconds)
            left = matrix.step()
        live.update(progress_table(matrix), refresh=True)
    failed = [run for run in matrix.runs if run.status == "failed"]
    if matrix.stop_asked:
        console.print("stopped; the same command continues where each run was")
        return INTERRUPTED
    for run in failed:
        console.print(
            f"{run.cell.name} failed: {matrix.reason(run)} (all of it: {run.directory / OUTPUT_FILE})", markup=False, soft_wrap=True
        )
    return FAILED if failed else 0


def progress_table(matrix: Matrix) -> Table:
    """How far every run is, and the time left."""
    left = matrix.seconds_left()
    done = sum(run.status == "done" for run in matrix.runs)
    remaining = "" if left is None else f", about {_duration(left)} left"
    table = Table(title=f"{done} of {len(matrix.runs)} runs done{remaining}")
    for column in ("run", "state", "epochs", "time"):
        table.add_column(column, justify="left" if column in {"run", "state"} else "right")
    for run in matrix.runs:
        table.add_row(run.cell.name, run.status, f"{run.epochs:.1f} / {matrix.protocol.epochs}", _duration(run.seconds))
    return table


def _ask_to_stop(run: CellRun) -> None:
    """Once only: a second signal would end a training run before it has saved its state."""
    if run.status == "running" and run.process is not None:
        run.process.send_signal(signal.SIGTERM)
        run.status = "stopping"


@contextmanager
def _on_stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    numbers: Iterable[signal.Signals] = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda _number, _frame: stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"
