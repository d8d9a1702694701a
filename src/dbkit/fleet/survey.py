"""The status of every target of a service; those that look the same are read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbkit.errors import DbkitError, InterruptedRunError
from dbkit.fleet.glance import Glance, Library, glance
from dbkit.fleet.lanes import Halt, over
from dbkit.migrate.status import ServiceStatus, read_status
from dbkit.postgres import citus
from dbkit.postgres.connect import authority, server_error

if TYPE_CHECKING:
    from datetime import datetime

    from dbkit.postgres.connect import Database


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One target: its status, or why it could not be read.

    `last` is when a migration was last applied, `node` where its schema is, if they are spread over machines.
    """

    target: str
    status: ServiceStatus | None
    last: datetime | None = None
    error: DbkitError | None = None
    node: str | None = None


def survey(databases: Sequence[Database], told: Callable[[Surveyed], None], *, jobs: int) -> list[Surveyed]:
    """Read the status of each target, `jobs` at a time. Writes nothing. Raises InterruptedRunError."""
    halt = Halt()
    found = over(databases, _Reader().read, told, jobs=jobs, halt=halt)
    if halt.event.is_set():
        raise InterruptedRunError("interrupted", exit_code=halt.exit_code)
    return [surveyed for surveyed in found if surveyed]


@dataclass(slots=True)
class _Reader:
    library: Library = field(default_factory=Library)
    known: dict[Glance, ServiceStatus] = field(default_factory=dict)

    def read(self, database: Database) -> Surveyed:
        import psycopg

        try:
            with database.connect("status") as connection:
                who = authority(connection, database.target)
                seen, last = glance(database, connection, who)
                status = self.known.get(seen)
                if status is None:
                    status = read_status(database, connection, who, self.library.sources(database, who.roles))
                    if all(m.state == "applied" or (m.state, m.at) == ("pending", None) for m in status.migrations):
                        self.known[seen] = status  # else it tells what happened on this target alone
                node = citus.node(connection, database.target)
        except DbkitError as exc:
            return Surveyed(database.name, None, error=exc.with_traceback(None))
        except psycopg.Error as exc:
            return Surveyed(database.name, None, error=server_error(exc, doing="the server refused"))
        return Surveyed(database.name, status, last, node=node)
