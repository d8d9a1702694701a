"""Memory that the allocator holds and Redis does not use."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck

SMALL = 100 * 1024 * 1024


def measure(seen: Observed) -> list[Measurement]:
    """Below 100 MB the ratio says nothing."""
    if int(seen.info["used_memory_rss"]) < SMALL:
        return []
    ratio = float(seen.info["mem_fragmentation_ratio"])
    return [Measurement("", ratio, f"{seen.info['used_memory_rss']} bytes resident for {seen.info['used_memory']} used")]


check = RedisCheck(
    id="redis_fragmentation_ratio",
    title="Memory fragmentation",
    category="memory",
    unit="ratio",
    warning=1.5,
    critical=3,
    why="The machine runs out of memory before Redis reaches maxmemory.",
    remedy="CONFIG SET activedefrag yes, or restart a replica and fail over to it.",
    measure=measure,
)
