"""Memory against maxmemory."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """Without a limit the operating system's is the limit, which ends the whole server."""
    limit = int(seen.info["maxmemory"])
    used = int(seen.info["used_memory"])
    if not limit:
        total = int(seen.info.get("total_system_memory", 0))
        return [Measurement("", used / total if total else None, f"{used} bytes of the machine's {total}; maxmemory is not set")]
    return [Measurement("", used / limit, f"{used} of {limit} bytes, policy {seen.info['maxmemory_policy']}")]


check = RedisCheck(
    id="redis_memory_used_ratio",
    title="Memory in use",
    category="memory",
    unit="ratio",
    warning=0.8,
    critical=0.95,
    why="At the limit Redis refuses writes or evicts keys, by its policy.",
    remedy="Raise maxmemory, shorten the TTLs, or look for big keys: MEMORY USAGE key.",
    measure=measure,
)
