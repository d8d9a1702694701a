"""The cluster's own opinion."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck

SLOTS = 16384


def measure(seen: Observed) -> list[Measurement]:
    """Asked only where cluster mode is on."""
    if not int(seen.info.get("cluster_enabled", 0)):
        return []
    cluster = seen.client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
    missing = SLOTS - int(cluster["cluster_slots_ok"])
    return [Measurement("", missing if cluster["cluster_state"] == "ok" else max(missing, 1), f"cluster_state {cluster['cluster_state']}")]


check = RedisCheck(
    id="redis_cluster_slots_missing",
    title="Cluster slots not served",
    category="cluster",
    unit="count",
    warning=None,
    critical=1,
    why="Carts whose slot nobody serves can't be read or written.",
    remedy="CLUSTER NODES names the failed master; promote its replica with CLUSTER FAILOVER TAKEOVER.",
    once=True,
    measure=measure,
)
