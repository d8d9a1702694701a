"""Keys that are large."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck

LARGE = 1024 * 1024


def measure(seen: Observed) -> list[Measurement]:
    """MEMORY USAGE of a sample of keys, of which a cluster's replica answers for none; below a megabyte is not worth a row."""
    if seen.is_replica and seen.info["cluster_enabled"]:
        return []
    names = seen.sample()[:200]
    pipeline = seen.client.pipeline(transaction=False)
    for name in names:
        pipeline.memory_usage(name)
    sizes = sorted(((size or 0, name) for size, name in zip(pipeline.execute(), names, strict=True)), reverse=True)
    return [Measurement(name, size, f"one of {len(names)} looked at") for size, name in sizes[:3] if size >= LARGE]


check = RedisCheck(
    id="redis_big_key_bytes",
    title="Big key",
    category="memory",
    unit="bytes",
    warning=1048576,
    critical=134217728,
    why="Reading or deleting it keeps everybody else waiting, and a cluster can't split it.",
    remedy="Divide it by the hash tag of its owner; UNLINK in place of DEL.",
    measure=measure,
)
