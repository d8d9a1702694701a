"""Connections against maxclients."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """INFO has maxclients since Redis 6.2."""
    limit = int(seen.info.get("maxclients", 0))
    used = int(seen.info["connected_clients"])
    return [Measurement("", used / limit if limit else None, f"{used} of {limit}")]


check = RedisCheck(
    id="redis_clients_used_ratio",
    title="Connections in use",
    category="connections",
    unit="ratio",
    warning=0.8,
    critical=0.95,
    why="At maxclients new connections are refused.",
    remedy="CLIENT LIST says who they are; close idle ones (CONFIG SET timeout 300) or raise maxclients.",
    measure=measure,
)
