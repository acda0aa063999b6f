"""Every engine gives the bytes of a single process, whoever is killed on the way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
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


def test_an_audit_whose_processes_are_all_killed_goes_on(
    data_set: Path, expected: dict[str, bytes], random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["audit", str(data_set), "--crop", "whole", "--shard-rows", "2", "--workers", "1", "--out", str(tmp_path / "out")]
    environment = os.environ | {"UNTURNED_CHECKPOINT_DIR": str(random_checkpoints)}
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", *command], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (tmp_path / "out" / "part-000000.parquet").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))
    assert main(command) == 0
    made = contents(tmp_path / "out")
    assert made.pop("issues.parquet") and made.pop("report.html")
    assert made == expected


def test_no_process_goes_on_without_the_one_that_gives_out_the_work(data_set: Path, random_checkpoints: Path, tmp_path: Path) -> None:
    """The folder is free by then, and may be another audit's."""
    command = ["audit", str(data_set), "--crop", "whole", "--shard-rows", "2", "--workers", "2", "--out", str(tmp_path / "out")]
    environment = os.environ | {"UNTURNED_CHECKPOINT_DIR": str(random_checkpoints)}
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", *command], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(living(process.pid)) < 3:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    while living(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


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
