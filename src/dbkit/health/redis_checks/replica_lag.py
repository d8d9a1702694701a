"""How far replicas are behind."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """Only a primary is asked; each replica that it sees is a row."""
    offset = int(seen.info.get("master_repl_offset", 0))
    replicas = [value for name, value in seen.info.items() if name.startswith("slave") and isinstance(value, dict)]
    return [
        Measurement(f"{one['ip']}:{one['port']}", offset - int(one["offset"]), f"{one['state']}, heard of {one['lag']} s ago")
        for one in replicas
    ]


check = RedisCheck(
    id="redis_replica_lag_bytes",
    title="Replica behind",
    category="replication",
    unit="bytes",
    warning=67108864,
    critical=1073741824,
    why="What a replica has not yet got is lost if it takes over.",
    remedy="Look at its network and disk; min-replicas-to-write and min-replicas-max-lag refuse writes that no replica would have.",
    measure=measure,
)
