"""One run a database: two advisory locks, taken by polling."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dbkit.errors import LockedError
from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg

SPACE = 1684171636  # 'dbkt'; never changed, so that every version of dbkit agrees
RUN, EXECUTE = 1, 2


def acquire(
    connection: psycopg.Connection[tuple[Any, ...]],
    key: int,
    *,
    wait: float,
    waiting: Callable[[str], None],
) -> None:
    """Take the lock, asking again until `wait` seconds have passed.

    A blocking waiter would deadlock with CREATE INDEX CONCURRENTLY, so it polls.
    `waiting` is told who holds it. Raises LockedError that names the holder.
    """
    deadline = time.monotonic() + wait
    pause, told = 0.05, False
    while True:
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [SPACE, key]).fetchone()
        if row and row[0]:
            return
        holder = holder_of(connection, key)
        if time.monotonic() >= deadline:
            raise LockedError(
                f"another run holds the lock of this database: {holder}",
                hint="wait for it, or give --lock-wait more seconds",
            )
        if not told:
            waiting(holder)
            told = True
        time.sleep(min(pause, max(deadline - time.monotonic(), 0)))
        pause = min(pause * 1.5, 1.0)


def release(connection: psycopg.Connection[tuple[Any, ...]], key: int) -> None:
    """Give the lock back; closing the connection does so too."""
    connection.execute("SELECT pg_advisory_unlock(%s, %s)", [SPACE, key])


def holder_of(connection: psycopg.Connection[tuple[Any, ...]], key: int) -> str:
    """Describe who holds the lock: pid, application, host, user, since when."""
    row = connection.execute(sql("lock_holder").encode(), [SPACE, key]).fetchone()
    if row is None:
        return "it has just been given back"
    pid, application, host, user, seconds = row
    seen = f" from {host}, for {seconds} s" if seconds is not None else ""  # another role's session shows neither
    return f"pid {pid} ({application or 'unknown program'}, {user}{seen})"
