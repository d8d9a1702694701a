"""Whether what is written reaches the disk."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """The last AOF write, AOF rewrite and RDB save, where each is in use."""
    rows = []
    if int(seen.info["aof_enabled"]):
        for field, what in (("aof_last_write_status", "AOF write"), ("aof_last_bgrewrite_status", "AOF rewrite")):
            if seen.info.get(field, "ok") != "ok":
                rows.append(Measurement(what, 1, f"{field} is {seen.info[field]}"))
    if seen.info["rdb_last_bgsave_status"] != "ok":
        rows.append(Measurement("RDB save", 1, "rdb_last_bgsave_status is err"))
    return rows


check = RedisCheck(
    id="redis_persistence_failures",
    title="Persistence fails",
    category="durability",
    unit="count",
    warning=None,
    critical=1,
    why="After a restart the data is as old as the last write that worked.",
    remedy="Look at the server's log and at the free space of its dir; then BGREWRITEAOF or BGSAVE.",
    measure=measure,
)
