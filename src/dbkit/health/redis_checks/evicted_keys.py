"""Keys that were evicted."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """A counter since the start of the server, which the detail says."""
    evicted = int(seen.info["evicted_keys"])
    return [Measurement("", evicted, f"in {seen.info['uptime_in_seconds']} s since the start")] if evicted else []


check = RedisCheck(
    id="redis_evicted_keys",
    title="Keys evicted",
    category="memory",
    unit="count",
    warning=1,
    critical=None,
    why="The server threw data away to stay below maxmemory.",
    remedy="Raise maxmemory or set a policy that refuses writes instead; CONFIG RESETSTAT starts the count anew.",
    measure=measure,
)
