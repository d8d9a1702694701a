"""How old the last saved state is."""

import time

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """With AOF a restart loses a second or two; with RDB alone, all since the last save."""
    if int(seen.info["aof_enabled"]) or not int(seen.info["rdb_changes_since_last_save"]):
        return []
    if not seen.client.config_get("save").get("save", ""):
        return []  # redis_persistence_off says so
    age = max(int(time.time()) - int(seen.info["rdb_last_save_time"]), 0)
    return [Measurement("", age, f"{seen.info['rdb_changes_since_last_save']} changes are in memory alone")]


check = RedisCheck(
    id="redis_unsaved_seconds",
    title="Last save long ago",
    category="durability",
    unit="seconds",
    warning=7200,
    critical=86400,
    why="A restart loses everything since the last save.",
    remedy="BGSAVE now; CONFIG SET appendonly yes loses a second at most.",
    measure=measure,
)
