"""Whether a replica sees its primary."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """Only a replica is asked: seconds since it heard from its primary."""
    if seen.info["role"] != "slave":
        return []
    if seen.info["master_link_status"] != "up":
        down = float(seen.info.get("master_link_down_since_seconds", 0))
        return [Measurement("link down", max(down, 1) * 1000, f"no link to {seen.info['master_host']} for {down:.0f} s")]
    return [Measurement("", float(seen.info["master_last_io_seconds_ago"]), f"from {seen.info['master_host']}")]


check = RedisCheck(
    id="redis_replication_silence_seconds",
    title="Replica without news from its primary",
    category="replication",
    unit="seconds",
    warning=30,
    critical=300,
    why="What is written meanwhile is lost if the primary goes.",
    remedy="Look at the network and at repl-backlog-size; a full resynchronisation follows a long break.",
    measure=measure,
)
