"""No persistence at all."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """Neither AOF nor a save rule."""
    if int(seen.info["aof_enabled"]):
        return []
    rules = seen.client.config_get("save").get("save", "")
    if rules:
        return []
    return [Measurement("", 1, "appendonly is no and there is no save rule")]


check = RedisCheck(
    id="redis_persistence_off",
    title="Nothing is written to disk",
    category="durability",
    unit="count",
    warning=1,
    critical=None,
    why="A restart loses every cart.",
    remedy="CONFIG SET appendonly yes, then CONFIG REWRITE.",
    measure=measure,
)
