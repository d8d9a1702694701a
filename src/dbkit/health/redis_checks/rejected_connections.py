"""Connections refused for lack of room."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """A counter since the start of the server."""
    rejected = int(seen.info["rejected_connections"])
    return [Measurement("", rejected, f"maxclients {seen.info.get('maxclients', 'unknown')}")] if rejected else []


check = RedisCheck(
    id="redis_rejected_connections",
    title="Connections rejected",
    category="connections",
    unit="count",
    warning=1,
    critical=100,
    why="An application was turned away at the door.",
    remedy="Raise maxclients and the server's open-files limit, or pool connections in the application.",
    measure=measure,
)
