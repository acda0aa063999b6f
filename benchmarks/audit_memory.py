"""What the processes of an audit hold of lists of ten thousand, a hundred thousand and a million pictures.

Each is weighed in a process of its own, as a peak cannot fall. The pictures are few and many times the same; the names are not.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from app.auditing.auditor import Auditor
from app.auditing.job import AskedAudit, AuditJob, begin
from app.choices import COMPARED
from app.settings import Settings

LISTED = (10_000, 100_000, 1_000_000)
SHARD_ROWS = 256
GROUP_ROWS = 10_000  # of the source, which a worker holds one group of

Answer = TypeVar("Answer")


def weigh(pictures: int, faces: list[bytes], folder: Path) -> dict[str, float]:
    """Of a list of so many pictures: ``list seconds``, and the peaks in MiB of the process that gives out the parts, ``giving out``, and
    of one that makes some, ``first part`` and ``last part``, the latter after the first two and the last of the list."""
    source = folder / f"{pictures}.parquet"
    write_table(source, pictures, faces)
    out = folder / f"audit-{pictures}"
    out.mkdir()
    job, missing, figures = _in_own_process(_give_out, source, out)
    return figures | _in_own_process(_work, job, (missing[0], missing[1], missing[-1]))


def write_table(path: Path, pictures: int, faces: list[bytes]) -> None:
    """A Parquet file of so many pictures, the same few again and again, each with a name of its own."""
    schema = pa.schema({"id": pa.string(), "image": pa.binary()})
    with pq.ParquetWriter(path, schema, use_dictionary=["image"]) as writer:
        for start in range(0, pictures, GROUP_ROWS):
            rows = range(start, min(start + GROUP_ROWS, pictures))
            columns = [[f"{row:08d}.png" for row in rows], [faces[row % len(faces)] for row in rows]]
            writer.write_table(pa.table(columns, schema=schema))


def _give_out(source: Path, out: Path) -> tuple[AuditJob, tuple[int, ...], dict[str, float]]:
    started = time.perf_counter()
    audit = begin(AskedAudit(str(source), None, COMPARED, out, SHARD_ROWS, "whole"), Settings())
    return audit.job, audit.missing, {"list seconds": time.perf_counter() - started, "giving out": _peak_mib()}


def _work(job: AuditJob, numbers: tuple[int, ...]) -> dict[str, float]:
    peaks = []
    with closing(Auditor(job)) as auditor:
        for number in numbers:
            auditor.make(number)
            peaks.append(_peak_mib())
    return {"first part": peaks[0], "last part": peaks[-1]}


def _in_own_process(task: Callable[..., Answer], *arguments: object) -> Answer:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(task, *arguments).result()


def _peak_mib() -> float:
    # Not ru_maxrss: Linux hands the peak of the process that starts another on to it.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024
