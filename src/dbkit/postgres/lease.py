"""The run lock behind a pooler, where no session is one's own: a leased row with a heartbeat and a fencing token."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbkit.errors import LockedError
from dbkit.postgres import journal, lock
from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.connect import Database

SECONDS, HEARTBEAT, SHORT = 30, 5.0, 10.0


@dataclass(slots=True)
class Lease:
    """A lease that is ours for as long as the row says so; each new holder has a higher token."""

    token: int
    stop: threading.Event = field(default_factory=threading.Event)

    def fence(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        """Take the second key for the transaction, and make sure of the lease: whoever lost it commits nothing any more."""
        deadline = time.monotonic() + SHORT
        while not lock.taken(connection, "pg_try_advisory_xact_lock", lock.EXECUTE):
            if time.monotonic() >= deadline:
                holder = lock.holder_of(connection, lock.EXECUTE)
                raise LockedError(f"another run holds the lock of this database: {holder}", hint="wait for it")
            time.sleep(0.05)
        row = connection.execute("SELECT token FROM dbkit.lease WHERE expires_at > clock_timestamp()").fetchone()
        if row is None or row[0] != self.token:
            raise LockedError("the lease on this database ran out, and another run may have it", hint="run it again")


@contextmanager
def leased(database: Database, *, wait: float, waiting: Callable[[str], None]) -> Iterator[Lease]:
    """Take the lease, keep it alive from a thread, and give it back."""
    with database.connect("lease") as connection:
        journal.require(connection, database.target)
        held = Lease(_take(connection, wait, waiting))
        beating = threading.Thread(target=_beat, args=(connection, held), daemon=True)
        beating.start()
        try:
            yield held
        finally:
            held.stop.set()
            beating.join()
            if not connection.closed:
                connection.execute("UPDATE dbkit.lease SET expires_at = clock_timestamp() WHERE token = %s", [held.token])


def _take(connection: psycopg.Connection[tuple[Any, ...]], wait: float, waiting: Callable[[str], None]) -> int:
    """Take the row while nobody holds a key: no run is under way then, even if its script gave the second one away."""
    holder = f"{socket.gethostname()}, process {os.getpid()}"

    def attempt() -> int | None:
        with connection.transaction():
            if not all(lock.taken(connection, "pg_try_advisory_xact_lock", key) for key in (lock.RUN, lock.EXECUTE)):
                return None
            row = connection.execute(sql("take_lease").encode(), [holder, SECONDS]).fetchone()
            return int(row[0]) if row else None

    return lock.poll(attempt, wait=wait, holder=lambda: holder_of(connection), waiting=waiting)


def holder_of(connection: psycopg.Connection[tuple[Any, ...]]) -> str:
    """Describe who holds the lease, or the second key without one."""
    row = connection.execute(
        "SELECT holder, extract(EPOCH FROM clock_timestamp() - taken_at)::integer FROM dbkit.lease WHERE expires_at > clock_timestamp()"
    ).fetchone()
    return f"{row[0]} (through a pooler, for {row[1]} s)" if row else lock.holder_of(connection, lock.EXECUTE)


def _beat(connection: psycopg.Connection[tuple[Any, ...]], held: Lease) -> None:
    import psycopg

    while not held.stop.wait(HEARTBEAT):
        try:
            connection.execute(
                "UPDATE dbkit.lease SET expires_at = clock_timestamp() + make_interval(secs => %s) WHERE token = %s", [SECONDS, held.token]
            )
        except psycopg.Error:
            return  # the lease runs out, and the fence stops the run


def is_held(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    """Say whether a run through a pooler has this database."""
    row = connection.execute("SELECT to_regclass('dbkit.lease') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return False
    return connection.execute("SELECT 1 FROM dbkit.lease WHERE expires_at > clock_timestamp()").fetchone() is not None
