"""A Ray cluster on this machine, of nodes that can be killed one by one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.auditing.on_ray import OBJECT_STORE_BYTES


@contextmanager
def ray_nodes(count: int) -> Iterator[tuple[Any, list[Any]]]:
    """A head that computes nothing and ``count`` nodes of one processor each; yields ``ray.cluster_utils.Cluster`` and the nodes."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    store = {"object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **store})
    try:
        yield cluster, [cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES) for _ in range(count)]
    finally:
        cluster.shutdown()
