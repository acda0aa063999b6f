"""Pictures a second of an audit by engine and size, bytes a picture, whether memory grows with the rows, and what much larger audits take.

python -m benchmarks.bench_audit --pictures 3072
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from app.auditing.auditor import MadePart
from app.auditing.job import AskedAudit, BegunAudit, begin
from app.auditing.local import make_locally
from app.auditing.on_ray import make_on_ray
from app.choices import COMPARED
from app.commands.audit import SHARD_ROWS as USUAL_SHARD_ROWS
from app.settings import Settings
from benchmarks import audit_memory
from benchmarks.audit_findings import markdown
from benchmarks.portrait import portrait_jpeg
from benchmarks.ray_nodes import ray_nodes
from benchmarks.timing import save

SHARD_ROWS = 64
PHOTOGRAPHS = 64  # of one megapixel, for the run with detector
DIFFERENT_FACES = 256  # of the long lists
PEAKS = {"giving out": "gives out the parts, MiB", "first part": "makes parts: after one, MiB", "last part": "after two more, MiB"}
PLANNED = ((1_000_000, 2), (10_000_000, 100))  # pictures, cores

Engine = Callable[[BegunAudit], Iterator[MadePart]]


@dataclass(frozen=True)
class Rate:
    """Pictures a second of so many ``cores``: ``steady`` once all are at work, ``whole`` with the start of all processes; ``size`` in
    bytes a picture."""

    cores: int
    pictures: int
    steady: float
    whole: float
    size: float


def faces(count: int) -> Iterator[bytes]:
    """Smooth random faces of 48x48 pixels as PNG, about as large as FERPlus's files."""
    generator = np.random.default_rng(1)
    for _ in range(count):
        face = cv2.resize(generator.integers(0, 256, (16, 16), np.uint8), (48, 48), interpolation=cv2.INTER_CUBIC)
        yield cv2.imencode(".png", face)[1].tobytes()


def write_zip(path: Path, pictures: Iterator[bytes], suffix: str) -> Path:
    """An archive of pictures."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, picture in enumerate(pictures):
            archive.writestr(f"{number:07d}.{suffix}", picture)
    return path


def steady_rate(rows: Sequence[int], ends: Sequence[float], cores: int) -> float:
    """Pictures a second of all ``cores`` once each may have finished a part.

    Args:
        rows: pictures of each part, in the order in which the parts ended.
        ends: when they ended, in seconds; more than ``cores``.
    """
    return sum(rows[cores:]) / (ends[-1] - ends[cores - 1])


def locally(workers: int) -> Engine:
    """Processes of this machine."""
    return lambda audit: make_locally(audit.job, audit.missing, workers)


def on_nodes(nodes: int) -> Engine:
    """A Ray cluster of ``nodes`` of one processor, and a head that computes nothing."""

    def engine(audit: BegunAudit) -> Iterator[MadePart]:
        with ray_nodes(nodes) as (cluster, _):
            yield from make_on_ray(audit.job, audit.missing, None, cluster.address)

    return engine


@dataclass(frozen=True)
class Run:
    """An audit of one of the archives of :func:`write_archives`."""

    archive: str
    engine: Engine
    cores: int
    crop: Literal["whole", "detect"] = "whole"
    shard_rows: int = SHARD_ROWS


# Weak scaling: twice the pictures for two processes or nodes.
RUNS = {
    "1 process": Run("half", locally(1), 1),
    "2 processes": Run("both", locally(2), 2),
    "Ray, 1 node": Run("half", on_nodes(1), 1),
    "Ray, 2 nodes": Run("both", on_nodes(2), 2),
    "1 process, detector, one megapixel": Run("photographs", locally(1), 1, "detect", 8),
}


def write_archives(pictures: int, folder: Path) -> dict[str, Path]:
    """``both`` of so many faces, ``half`` of half as many, and ``photographs``."""
    return {
        "half": write_zip(folder / "half.zip", faces(pictures // 2), "png"),
        "both": write_zip(folder / "both.zip", faces(pictures), "png"),
        "photographs": write_zip(folder / "photographs.zip", iter([portrait_jpeg()] * PHOTOGRAPHS), "jpg"),
    }


def timed(run: Run, source: Path) -> Rate:
    """Audit a source."""
    with tempfile.TemporaryDirectory() as folder:
        asked = AskedAudit(str(source), None, COMPARED, Path(folder), run.shard_rows, run.crop)
        started = time.perf_counter()
        audit = begin(asked, Settings())
        ends, rows = [], []
        for made in run.engine(audit):
            ends.append(time.perf_counter())
            rows.append(made.rows)
        size = sum(path.stat().st_size for path in Path(folder).glob("part-*"))
    return Rate(run.cores, sum(rows), steady_rate(rows, ends, run.cores), sum(rows) / (ends[-1] - started), size / sum(rows))


def rate_table(rates: Mapping[str, Rate]) -> str:
    """Every run; what a core gives is compared with the first run's."""
    one, rows = next(iter(rates.values())).steady, []
    for name, rate in rates.items():
        share = f"{rate.steady / rate.cores / one:.0%}"
        rows.append([name, f"{rate.pictures:,}", f"{rate.steady:.1f}", f"{rate.whole:.1f}", share, f"{rate.size:,.0f}"])
    return markdown(["", "pictures", "a second", "a second with the start", "a core, of one process's", "bytes a picture"], rows)


def memory_table(weighed: Mapping[int, Mapping[str, float]]) -> str:
    """Every list."""
    rows = [
        [f"{pictures:,}", f"{figures['list seconds']:.1f} s", *(f"{figures[name]:.0f}" for name in PEAKS)]
        for pictures, figures in weighed.items()
    ]
    return markdown(["pictures listed", "listed in", *PEAKS.values()], rows)


def plan_table(rates: Mapping[str, Rate], weighed: Mapping[int, Mapping[str, float]]) -> str:
    """What larger audits take if a core gives what it gave here with two processes, and listing what the longest list took."""
    listed, figures = max(weighed.items())
    rate, rows = rates["2 processes"], []
    for pictures, cores in PLANNED:
        minutes = figures["list seconds"] / listed * pictures / 60
        hours = pictures / (rate.steady / rate.cores * cores) / 3600
        parts, size = -(-pictures // USUAL_SHARD_ROWS), rate.size * pictures / 1e9
        rows.append([f"{pictures:,}", f"{cores}", f"{parts:,}", f"{minutes:.1f}", f"{hours:.2f}", f"{size:.1f}"])
    return markdown(["pictures", "cores", "parts", "listing, minutes", "parts, hours", "on disk, GB"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = audit_memory.LISTED
    parser.add_argument("--pictures", type=int, default=3072, help="of each run, halved where a run has half the processors [%(default)s]")
    parser.add_argument("--listed", type=int, nargs="+", default=listed, help="lengths of the lists that are weighed [%(default)s]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archives = write_archives(arguments.pictures, Path(folder))
        rates = {name: timed(run, archives[run.archive]) for name, run in RUNS.items()}
        print(f"{rate_table(rates)}\n", flush=True)
        few = list(faces(DIFFERENT_FACES))
        weighed = {pictures: audit_memory.weigh(pictures, few, Path(folder)) for pictures in arguments.listed}
    print(f"{memory_table(weighed)}\n\n{plan_table(rates, weighed)}")
    setting = {"shard_rows": SHARD_ROWS, "shard_rows of the lists": audit_memory.SHARD_ROWS, "models": list(COMPARED)}
    figures = {"rates": {name: asdict(rate) for name, rate in rates.items()}, "memory, MiB": weighed}
    save("audit", figures, setting, ["numpy", "onnxruntime", "opencv-python-headless", "pillow", "pyarrow", "ray"])


if __name__ == "__main__":
    main()
