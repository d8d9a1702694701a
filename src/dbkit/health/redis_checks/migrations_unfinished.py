"""Migrations that ended in the middle."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """The journal's word; what nobody has begun is no fault."""
    from dbkit.redis.journal import read, statuses

    found = statuses(read(seen.client, seen.store.target.project, seen.store.service))
    return [Measurement(name, 1, status.state) for name, status in found.items() if status.state not in {"applied", "pending"}]


check = RedisCheck(
    id="redis_migrations_unfinished",
    title="Migration unfinished",
    category="scripts",
    unit="count",
    warning=1,
    critical=None,
    why="Some keys have the old format and some the new.",
    remedy="dbkit status says what stands against it; dbkit migrate, or dbkit rollback, goes on where it is.",
    once=True,
    measure=measure,
)
