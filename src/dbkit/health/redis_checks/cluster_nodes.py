"""Nodes that the cluster has given up."""

from typing import Any

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """Asked only where cluster mode is on; `fail?` is one node's suspicion, `fail` the cluster's verdict."""
    if not int(seen.info.get("cluster_enabled", 0)):
        return []
    nodes: Any = seen.client.execute_command("CLUSTER NODES")  # type: ignore[no-untyped-call]
    failed = [name for name, node in nodes.items() if "fail" in node["flags"].split(",")]
    return [Measurement("", len(failed), ", ".join(failed) or f"{len(nodes)} nodes")]


check = RedisCheck(
    id="redis_cluster_nodes_failed",
    title="Cluster nodes failed",
    category="cluster",
    unit="count",
    warning=1,
    critical=None,
    why="Its slots are served by another, if at all, and a second failure may lose them.",
    remedy="Start the node again, or CLUSTER FORGET it and add a new one.",
    once=True,
    measure=measure,
)
