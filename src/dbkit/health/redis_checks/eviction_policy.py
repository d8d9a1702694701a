"""A policy that throws carts away."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """Only a policy that evicts keys without a TTL is worth a word, and only under a limit."""
    policy = str(seen.info["maxmemory_policy"])
    risky = policy.startswith("allkeys") and int(seen.info["maxmemory"]) > 0
    return [Measurement(policy, 1, "any key may be evicted, whatever its TTL")] if risky else []


check = RedisCheck(
    id="redis_eviction_policy",
    title="Keys may be evicted at will",
    category="memory",
    unit="count",
    warning=1,
    critical=None,
    why="What is stored here is data, not a cache: an evicted cart is a lost cart.",
    remedy="CONFIG SET maxmemory-policy noeviction (or volatile-ttl), and give a cache a server of its own.",
    measure=measure,
)
