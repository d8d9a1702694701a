"""What dbkit loaded into a Redis: a stream beside the data, an entry each time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dbkit import __version__
from dbkit.redis.scripts import LuaScript, library_name, library_source

if TYPE_CHECKING:
    import redis

    from dbkit.project.manifest import Project


def releases_key(project: Project, service: str) -> str:
    """Return the stream's key, which is one of dbkit's and no service's."""
    return f"dbkit:{{{library_name(project, service)}}}:releases"


def record_release(
    client: redis.Redis, project: Project, service: str, scripts: Sequence[LuaScript], release: str, who: Mapping[str, str]
) -> None:
    """Add what was loaded under which release (the run's id, as the journals of PostgreSQL have it), and by whom."""
    checksum = hashlib.sha256(library_source(project, service, scripts).encode()).hexdigest()
    entry: dict[Any, Any] = {"release": release, "scripts": str(len(scripts)), "checksum": checksum, "dbkit_version": __version__, **who}
    client.xadd(releases_key(project, service), entry)


def last_release(client: redis.Redis, project: Project, service: str) -> tuple[datetime, Mapping[str, str]] | None:
    """Return when the newest entry was made, and what it says; None where there is none, or somebody flushed it."""
    entries: Any = client.xrevrange(releases_key(project, service), count=1)
    if not entries:
        return None
    name, entry = entries[0]
    return datetime.fromtimestamp(int(name.partition("-")[0]) / 1000, UTC), entry
