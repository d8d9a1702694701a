"""Clients that wait in a blocking command."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """BLPOP and its like, and WAIT."""
    return [Measurement("", int(seen.info["blocked_clients"]), "clients in a blocking command")]


check = RedisCheck(
    id="redis_blocked_clients",
    title="Clients blocked",
    category="connections",
    unit="count",
    warning=50,
    critical=500,
    why="Each holds a connection and waits for something that may never come.",
    remedy="CLIENT LIST shows flags=b; give blocking commands a timeout.",
    measure=measure,
)
