"""Pictures a second of an audit by engine and size, bytes a picture, and whether memory grows with the rows.

python -m benchmarks.bench_audit --pictures 4096
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.auditing.auditor import Auditor, MadePart
from app.auditing.job import AskedAudit, BegunAudit, begin
from app.auditing.local import make_locally
from app.auditing.on_ray import make_on_ray
from app.choices import COMPARED
from app.settings import Settings
from benchmarks.portrait import portrait_jpeg
from benchmarks.ray_nodes import ray_nodes
from benchmarks.timing import save
from model.auditing.listing import write_listing
from model.auditing.sources import open_source

SHARD_ROWS = 64
LISTED = (10_000, 100_000, 1_000_000)  # pictures of the lists whose making is weighed
PHOTOGRAPHS = 64  # of one megapixel, for the run with detector

Engine = Callable[[BegunAudit], Iterator[MadePart]]


def write_faces(path: Path, pictures: int) -> None:
    """Smooth random faces of 48x48 pixels, about as large as FERPlus's files."""
    generator = np.random.default_rng(1)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(pictures):
            face = cv2.resize(generator.integers(0, 256, (16, 16), np.uint8), (48, 48), interpolation=cv2.INTER_CUBIC)
            archive.writestr(f"{number:07d}.png", cv2.imencode(".png", face)[1].tobytes())


def write_photographs(path: Path) -> None:
    """The same portrait again and again."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(PHOTOGRAPHS):
            archive.writestr(f"{number:04d}.jpg", portrait_jpeg())


def timed(source: Path, engine: Engine, crop: Literal["whole", "detect"] = "whole", shard_rows: int = SHARD_ROWS) -> dict[str, float]:
    """``steady``: pictures a second from the first finished part on; ``whole``: with the start of all processes; ``bytes`` a picture."""
    with tempfile.TemporaryDirectory() as folder:
        asked = AskedAudit(str(source), None, COMPARED, Path(folder), shard_rows, crop)
        started = time.perf_counter()
        audit = begin(asked, Settings())
        ends, rows = [], []
        for made in engine(audit):
            ends.append(time.perf_counter())
            rows.append(made.rows)
        size = sum(path.stat().st_size for path in Path(folder).glob("part-*"))
    return {"steady": sum(rows[1:]) / (ends[-1] - ends[0]), "whole": sum(rows) / (ends[-1] - started), "bytes": size / sum(rows)}


def locally(workers: int) -> Engine:
    """Processes of this machine."""
    return lambda audit: make_locally(audit.job, audit.missing, workers)


def on_nodes(nodes: int) -> Engine:
    """A Ray cluster of ``nodes`` of one processor, and a head that computes nothing."""

    def engine(audit: BegunAudit) -> Iterator[MadePart]:
        with ray_nodes(nodes) as (cluster, _):
            yield from make_on_ray(audit.job, audit.missing, None, cluster.address)

    return engine


def memory_of_parts(source: Path) -> dict[str, float]:
    """MiB at most that one process held after a tenth of the pictures, and after all."""
    with tempfile.TemporaryDirectory() as folder:
        audit = begin(AskedAudit(str(source), None, COMPARED, Path(folder), SHARD_ROWS, "whole"), Settings())
        found = {}
        with closing(Auditor(audit.job)) as auditor:
            for done, number in enumerate(audit.missing, 1):
                auditor.make(number)
                if done in {max(1, len(audit.missing) // 10), len(audit.missing)}:
                    found[str(done * SHARD_ROWS)] = _peak_mib()
    return found


def memory_of_lists() -> dict[str, float]:
    """MiB at most that this process held after it had listed so many pictures."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for pictures in LISTED:
            table, listing = Path(folder, "faces.parquet"), Path(folder, "listing.parquet")
            with pq.ParquetWriter(table, pa.schema({"id": pa.string(), "image": pa.binary()})) as writer:
                for start in range(0, pictures, 10_000):
                    rows = range(start, start + 10_000)
                    writer.write_table(pa.table({"id": [f"{row:08d}.png" for row in rows], "image": [b"picture"] * len(rows)}))
            write_listing(open_source(str(table)), None, 4096, listing)
            found[str(pictures)] = _peak_mib()
    return found


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=4096, help="pictures of each run, halved where a run has half the processors")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        all_faces, half, photographs = (Path(folder, name) for name in ("faces.zip", "half.zip", "photographs.zip"))
        write_faces(all_faces, arguments.pictures)
        write_faces(half, arguments.pictures // 2)
        write_photographs(photographs)
        figures["memory of lists, MiB"] = memory_of_lists()  # first: a peak cannot fall
        runs: dict[str, Callable[[], dict[str, float]]] = {
            "1 process": lambda: timed(half, locally(1)),
            "2 processes": lambda: timed(all_faces, locally(2)),
            "Ray, 1 node": lambda: timed(half, on_nodes(1)),
            "Ray, 2 nodes": lambda: timed(all_faces, on_nodes(2)),
            "1 process, detector, one megapixel": lambda: timed(photographs, locally(1), "detect", 8),
        }
        print("| | pictures a second | with the start | bytes a picture |\n|---|---|---|---|")
        for name, run in runs.items():
            figures[name] = run()
            print(f"| {name} | {figures[name]['steady']:.1f} | {figures[name]['whole']:.1f} | {figures[name]['bytes']:.0f} |", flush=True)
        figures["memory of parts, MiB"] = memory_of_parts(all_faces)
    for name in ("memory of lists, MiB", "memory of parts, MiB"):
        print(f"{name}: " + ", ".join(f"{value:.0f} after {rows}" for rows, value in figures[name].items()))
    save("audit", figures, {"pictures": arguments.pictures, "shard_rows": SHARD_ROWS, "models": list(COMPARED)})


if __name__ == "__main__":
    main()
