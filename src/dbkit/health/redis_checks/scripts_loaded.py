"""Scripts and library against the repository."""

from dbkit.health.judge import Measurement
from dbkit.health.redis import Observed, RedisCheck


def measure(seen: Observed) -> list[Measurement]:
    """A project without scripts for this service is not asked."""
    from dbkit.redis.scripts import load_scripts, loaded

    project = seen.store.target.project
    scripts = load_scripts(project, seen.store.service)
    if not scripts:
        return []
    found = loaded(seen.client, project, seen.store.service, scripts)
    missing = len(found.missing) + (found.library is False)
    detail = ", ".join(found.missing[:5]) + (" and the function library" if found.library is False else "")
    return [Measurement("", missing, detail or f"{len(found.present)} as in the repository")]


check = RedisCheck(
    id="redis_scripts_missing",
    title="Scripts not loaded",
    category="scripts",
    unit="count",
    warning=1,
    critical=None,
    why="The first caller pays for loading, and a caller without the source fails with NOSCRIPT.",
    remedy="dbkit migrate loads them.",
    once=True,
    measure=measure,
)
