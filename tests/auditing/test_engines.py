"""Every engine gives the bytes of a single process, whoever is killed on the way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from app.auditing import local
from app.auditing.job import AuditJob
from app.auditing.local import make_locally
from app.auditing.on_ray import make_on_ray
from app.cli import main
from benchmarks.ray_nodes import ray_nodes
from model.auditing.manifest import AuditError
from model.checkpoints import CheckpointError
from tests.auditing.made_audit import begun, contents, make_here, write_data_set
from tests.live_server import ROOT
from tests.made_checkpoints import make_checkpoint_folder

PATIENCE_SECONDS = 120
LONG_PART = 600  # pictures: some ten seconds of work


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces") / "faces.zip"
    write_data_set(path)
    return path


@pytest.fixture(scope="module")
def expected(data_set: Path, random_checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the audit made by one process."""
    out = tmp_path_factory.mktemp("audit")
    make_here(begun(data_set, out, random_checkpoints))
    return contents(out)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_processes_give_the_same_bytes_though_one_is_killed(
    data_set: Path, expected: dict[str, bytes], random_checkpoints: Path, tmp_path: Path
) -> None:
    audit = begun(data_set, tmp_path, random_checkpoints)
    parts = make_locally(audit.job, audit.missing, workers=2)
    done = [next(parts).number]
    victim, *_ = multiprocessing.active_children()
    assert victim.pid is not None
    kill(victim.pid)
    done += [made.number for made in parts]
    assert sorted(done) == list(audit.missing)
    audit.job.clear_leftovers()
    assert contents(tmp_path) == expected


@contextmanager
def audit_process(command: list[str], checkpoints: Path, at_work: Callable[[int], bool]) -> Iterator[int]:
    """An audit at work, in a group of processes of its own whose number is given; the block, which kills it, starts once it is."""
    environment = os.environ | {"UNTURNED_CHECKPOINT_DIR": str(checkpoints)}
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", *command], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not at_work(process.pid):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        yield process.pid


def audit_command(data_set: Path, workers: int, out: Path) -> list[str]:
    return ["audit", str(data_set), "--crop", "whole", "--shard-rows", "2", "--workers", str(workers), "--out", str(out)]


def test_an_audit_whose_processes_are_all_killed_goes_on(
    data_set: Path, expected: dict[str, bytes], random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    command = audit_command(data_set, 1, out)
    with audit_process(command, random_checkpoints, lambda _: (out / "part-000000.parquet").exists()) as group:
        os.killpg(group, signal.SIGKILL)
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))
    assert main(command) == 0
    made = contents(out)
    assert made.pop("issues.parquet") and made.pop("report.html")
    assert made == expected


def test_no_process_goes_on_without_the_one_that_gives_out_the_work(data_set: Path, random_checkpoints: Path, tmp_path: Path) -> None:
    """The folder is free by then, and may be another audit's."""
    with zipfile.ZipFile(data_set) as few, zipfile.ZipFile(tmp_path / "many.zip", "w") as many:
        picture = few.read(few.namelist()[0])
        for number in range(LONG_PART):
            many.writestr(f"{number}.png", picture)
    command = [*audit_command(tmp_path / "many.zip", 1, tmp_path / "out"), "--shard-rows", str(LONG_PART)]
    with audit_process(command, random_checkpoints, decodes) as group:
        os.kill(group, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while living(group):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert list((tmp_path / "out").glob("part-*")) == []


def decodes(group: int) -> bool:
    """Whether a process of a group has started its decoder, and so is about to make a part."""
    listed = subprocess.run(["ps", "-e", "-o", "ppid=,args="], capture_output=True, text=True, check=True).stdout
    return any(int(line.split()[0]) in living(group) for line in listed.splitlines() if "app.decoding.child" in line)


def living(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    processes = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, of_group, state in processes if int(of_group) == group and not state.startswith("Z")]


def _die(connection: Connection, job: AuditJob) -> None:
    kill(os.getpid())


def test_a_part_that_every_process_dies_at_ends_the_audit(
    data_set: Path, random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_work", _die)
    monkeypatch.setattr(local, "MOST_ATTEMPTS", 2)
    with pytest.raises(AuditError, match="part 0: 2 processes died at it"):
        list(make_locally(begun(data_set, tmp_path, random_checkpoints).job, [0], workers=1))
    assert multiprocessing.active_children() == []


def test_what_a_process_objects_to_is_raised_once(data_set: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    make_checkpoint_folder(tmp_path / "checkpoints")
    audit = begun(data_set, tmp_path / "out", tmp_path / "checkpoints", models=("baseline",))
    (tmp_path / "checkpoints" / "baseline.safetensors").unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        list(make_locally(audit.job, audit.missing, workers=1))


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_though_a_node_is_killed(
    data_set: Path, expected: dict[str, bytes], random_checkpoints: Path, tmp_path: Path
) -> None:
    audit = begun(data_set, tmp_path, random_checkpoints)
    with ray_nodes(2) as (cluster, (first, _)):
        parts = make_on_ray(audit.job, audit.missing, None, cluster.address)
        done = [next(parts).number]
        cluster.remove_node(first, allow_graceful=False)
        done += [part.number for part in parts]
    assert sorted(done) == list(audit.missing)
    audit.job.clear_leftovers()
    assert contents(tmp_path) == expected


def test_a_cluster_that_is_not_there_is_refused(data_set: Path, random_checkpoints: Path, tmp_path: Path) -> None:
    audit = begun(data_set, tmp_path, random_checkpoints)
    with pytest.raises(AuditError, match=r"--address 127\.0\.0\.1:1: "):
        list(make_on_ray(audit.job, audit.missing, None, "127.0.0.1:1"))
