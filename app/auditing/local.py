"""Parts of an audit made by processes of this machine, each with its own models: one that dies is replaced, and its part begun again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

from app.auditing.auditor import Auditor, MadePart
from app.auditing.job import AuditJob
from model.auditing.manifest import AuditError

MOST_ATTEMPTS = 6  # at one part, as with Ray: one, and five more

_SPAWN = multiprocessing.get_context("spawn")  # a forked process would hold the locks of its parent's threads for ever


class _Worker:
    """A process and the number of the part it is at."""

    def __init__(self, job: AuditJob, number: int) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_work, args=(theirs, job), name="audit", daemon=True)
        self._process.start()
        theirs.close()  # so that the pipe ends with the process
        self.give(number)

    def give(self, number: int) -> None:
        """Have the next part made."""
        self.number = number
        with suppress(BrokenPipeError):  # whoever waits for the answer learns of the death
            self.connection.send(number)

    def answer(self) -> MadePart | None:
        """The part that was made; None where the process died. Raises what it raised."""
        try:
            said: MadePart | Exception = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None
        if isinstance(said, Exception):
            raise said
        return said

    def end(self) -> None:
        """Kill the process, which holds nothing that is not on disk."""
        self.connection.close()
        self._process.kill()
        self._process.join()


def make_locally(job: AuditJob, numbers: Sequence[int], workers: int) -> Iterator[MadePart]:
    """Make parts with ``workers`` processes of one thread each; in the order in which they are done.

    Raises:
        AuditError: every process that was given one of the parts died.
        InputError: the audit's folder, source or checkpoints cannot be used.
    """
    waiting, deaths = deque(numbers), Counter[int]()
    crew: dict[Connection, _Worker] = {}

    def hire() -> None:
        worker = _Worker(job, waiting.popleft())
        crew[worker.connection] = worker

    try:
        for _ in range(min(workers, len(waiting))):
            hire()
        while crew:
            for connection in wait(list(crew)):
                assert isinstance(connection, Connection)
                worker = crew[connection]
                made = worker.answer()
                if made is not None:
                    yield made
                    if waiting:
                        worker.give(waiting.popleft())
                        continue
                else:
                    deaths[worker.number] += 1
                    if deaths[worker.number] == MOST_ATTEMPTS:
                        raise AuditError(f"part {worker.number}: {MOST_ATTEMPTS} processes died at it; is there enough memory?")
                    waiting.appendleft(worker.number)
                crew.pop(connection).end()
                if waiting:
                    hire()
    finally:
        for worker in crew.values():
            worker.end()


def _work(connection: Connection, job: AuditJob) -> None:
    """Make the parts whose numbers come, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gives out the work, which then ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, BrokenPipeError):
        try:
            auditor = Auditor(job)
            while True:
                connection.send(auditor.make(connection.recv()))
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - it is raised where the work was given out
            error.add_note(traceback.format_exc())
            connection.send(error)


def _end_with_parent() -> None:
    """End this process once the one that gives out the work is killed: the folder may then be another audit's."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
