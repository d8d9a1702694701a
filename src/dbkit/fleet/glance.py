"""A look at a target in two round trips, and files that are read once for all targets."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbkit.migrate.plan import Sources, read_sources
from dbkit.postgres import journal
from dbkit.postgres.queries import sql
from dbkit.project.manifest import bare

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from dbkit.postgres.connect import Authority, Database

Roles = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Glance:
    """All that a plan depends on beside the files: targets that look the same are in the same state."""

    roles: Roles
    session: str
    version: str
    in_recovery: bool
    read_only: bool
    digest: str


def glance(database: Database, connection: psycopg.Connection[tuple[Any, ...]], who: Authority) -> tuple[Glance, datetime | None]:
    """Return how the target looks, and when a migration was last applied.

    Where there is no journal yet, all look the same; where it is an older one, none like another.
    """
    import psycopg

    query = sql("state_digest").replace("{half_undone}", sql("half_undone")).replace("{suspects}", sql("suspect_definitions"))
    try:
        row = connection.execute(query.encode(), {"service": database.service}).fetchone()
    except psycopg.errors.UndefinedTable:
        row = ("" if journal.version(connection) == 0 else database.name, None)
    digest, last = row or ("", None)
    return Glance(tuple(sorted(who.roles.items())), who.session, who.version, who.in_recovery, who.read_only, digest), last


@dataclass(slots=True)
class Library:
    """The files of a service. Databases with the same roles share one rendering, each schema has its own."""

    _read: dict[Roles, Sources] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def sources(self, database: Database, roles: dict[str, str]) -> Sources:
        """Return the files as rendered for these roles. Raises ConfigurationError for what is wrong with one."""
        if database.service != bare(database.service):
            return read_sources(database.target, roles)
        key = tuple(sorted(roles.items()))
        with self._guard:
            if key not in self._read:
                self._read[key] = read_sources(database.target, roles)
            return self._read[key]
