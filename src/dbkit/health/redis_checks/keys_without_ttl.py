"""Keys that never expire, and should."""

from fnmatch import fnmatchcase

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """The manifest's `expires` says which keys must have a TTL; a sample of keys is looked at."""
    patterns = seen.store.target.project.service(seen.store.service).expires
    if not patterns or seen.is_replica:
        return []
    names = [name for name in seen.sample() if any(fnmatchcase(name, pattern) for pattern in patterns)]
    pipeline = seen.client.pipeline(transaction=False)
    for name in names:
        pipeline.ttl(name)
    without = [name for name, seconds in zip(names, pipeline.execute(), strict=True) if seconds == -1]
    return [Measurement("", len(without), f"of {len(names)} looked at" + (f", as {without[0]}" if without else ""))]


check = RedisCheck(
    id="redis_keys_without_ttl",
    title="Keys without a TTL",
    category="memory",
    unit="count",
    warning=1,
    critical=None,
    why="They stay until somebody removes them, and memory fills.",
    remedy="dbkit cleanup, where a script does it; else EXPIRE, and look who writes them.",
    measure=measure,
)
