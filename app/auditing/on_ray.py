"""Parts of an audit made by the machines of a Ray cluster, which see the audit's folder, its source and the checkpoints at the same paths.

A part is a task without state: Ray gives it to another process or another machine when its own dies. Actors, which would keep the models
as well, were seen to fail when their machine was killed; here a process keeps them between its tasks.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from app.auditing.auditor import Auditor, MadePart
from app.auditing.job import AuditJob
from model.auditing.manifest import AuditError

MOST_RETRIES = 5  # of a part whose process or machine died
OBJECT_STORE_BYTES = 80 << 20  # Ray's least: parts go to the folder, not through the store
ANSWER_SECONDS = 10.0  # that a cluster may take to accept a connection
TASKS_A_CPU = 2  # given out, so that no processor waits for the next


def make_on_ray(job: AuditJob, numbers: Sequence[int], workers: int | None, address: str | None) -> Iterator[MadePart]:
    """Make parts as Ray tasks; in the order in which they are done.

    Args:
        workers: most tasks at once; None for as many as the cluster has processors.
        address: of the cluster, as ``ray.init`` takes it; None starts one on this machine.

    Raises:
        AuditError: there is no cluster at the address, or a part's processes died again and again.
        InputError: the audit's folder, source or checkpoints cannot be used.
    """
    if not numbers:
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported
    import ray

    _connect(ray, address, workers)
    try:
        resources: Callable[[], dict[str, float]] = ray.cluster_resources
        task = ray.remote(num_cpus=1, max_retries=MOST_RETRIES)(_make)
        waiting, running = deque(numbers), list[Any]()
        while waiting or running:
            most = workers or max(1, TASKS_A_CPU * int(resources().get("CPU", 1)))
            while waiting and len(running) < most:
                running.append(task.remote(job, waiting.popleft()))
            (done, *_), running = ray.wait(running)
            yield ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise AuditError(f"Ray gave up: {str(error).strip().partition(chr(10))[0]}") from error
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str | None, workers: int | None) -> None:
    quiet = {"logging_level": "warning", "log_to_driver": False}
    if address is None:
        ray.init("local", num_cpus=workers, object_store_memory=OBJECT_STORE_BYTES, include_dashboard=False, **quiet)
        return
    host, _, port = address.rpartition("/")[2].rpartition(":")
    try:
        if port.isdigit():  # Ray itself waits for minutes where nobody answers
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
        ray.init(address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise AuditError(f"--address {address}: {' '.join(str(error).split())}") from error


@lru_cache(maxsize=1)
def _auditor(job: AuditJob) -> Auditor:
    return Auditor(job)


def _make(job: AuditJob, number: int) -> MadePart:
    return _auditor(job).make(number)
