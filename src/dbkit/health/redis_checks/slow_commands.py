"""The slow log."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """Everything else waits while one command runs."""
    entries = seen.client.slowlog_get(128)
    if not entries:
        return []
    worst = max(entries, key=lambda entry: entry["duration"])
    command = str(worst["command"])[:60]
    return [Measurement("", len(entries), f"the slowest took {worst['duration'] / 1000:.1f} ms: {command}")]


check = RedisCheck(
    id="redis_slow_commands",
    title="Commands in the slow log",
    category="latency",
    unit="count",
    warning=10,
    critical=None,
    why="Redis runs one command at a time: a slow one delays all.",
    remedy="SLOWLOG GET shows them; replace KEYS, big HGETALL and long scripts. SLOWLOG RESET starts anew.",
    measure=measure,
)
