"""Who holds the lock of a database, and ending that session."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbkit.errors import DbkitError
from dbkit.postgres import lease
from dbkit.postgres.lock import EXECUTE, RUN, SPACE
from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    from dbkit.postgres.connect import Database

PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that holds one of the two keys. `seconds` is since when it is connected; None where we may not see it."""

    key: str
    pid: int
    application: str
    host: str
    user: str
    seconds: int | None
    state: str | None
    statement: str | None


def holders(database: Database) -> list[Holder]:
    """Return who holds the run lock and the executing one."""
    with database.connect("unlock") as connection:
        rows = connection.execute(sql("holders").encode(), {"space": SPACE, "run": RUN, "execute": EXECUTE}).fetchall()
        found = [Holder(*row) for row in rows]
        if lease.is_held(connection):
            found.append(Holder("lease", 0, lease.holder_of(connection), "", "", None, None, None))
    return found


def end_sessions(database: Database) -> list[Holder]:
    """End the sessions that hold the keys, wait until both are free, and return whom it ended.

    A lease is not ended: its holder's heartbeat is, when it dies. Raises DbkitError where we may not.
    """
    import psycopg

    found = [holder for holder in holders(database) if holder.pid]
    with database.connect("unlock") as connection:
        for holder in found:
            try:
                connection.execute("SELECT pg_terminate_backend(%s)", [holder.pid])
            except psycopg.errors.InsufficientPrivilege as exc:
                raise DbkitError(
                    f"may not end pid {holder.pid} of {holder.user}: {exc.diag.message_primary}",
                    sqlstate=exc.sqlstate,
                    hint=f"a superuser can: SELECT pg_terminate_backend({holder.pid});",
                ) from exc
    deadline = time.monotonic() + PATIENCE
    ended = {holder.pid for holder in found}
    while ended & {holder.pid for holder in holders(database)}:
        if time.monotonic() > deadline:
            raise DbkitError(
                "the sessions were told to end, and still hold the lock", hint="dbkit unlock again, or look at pg_stat_activity"
            )
        time.sleep(0.1)
    return found
