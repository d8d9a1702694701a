"""One run a database: two advisory locks, taken by polling."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

from dbkit.errors import LockedError
from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg

SPACE = 1684171636  # 'dbkt'; never changed, so that every version of dbkit agrees
RUN, EXECUTE, CLUSTER, JOURNAL = 1, 2, 3, 4  # the third is taken in the maintenance database, for roles
T = TypeVar("T")


def acquire(
    connection: psycopg.Connection[tuple[Any, ...]],
    key: int,
    *,
    wait: float,
    waiting: Callable[[str], None],
) -> None:
    """Take the lock for the session, asking again until `wait` seconds have passed.

    A blocking waiter would deadlock with CREATE INDEX CONCURRENTLY, so it polls.
    `waiting` is told who holds it, each time. Raises LockedError that names the holder.
    """
    poll(
        lambda: taken(connection, "pg_try_advisory_lock", key) or None,
        wait=wait,
        holder=lambda: holder_of(connection, key),
        waiting=waiting,
    )


def taken(connection: psycopg.Connection[tuple[Any, ...]], function: LiteralString, key: int) -> bool:
    """Try once to take a key, for the session or the transaction as `function` has it."""
    row = connection.execute(f"SELECT {function}(%s, %s)", [SPACE, key]).fetchone()
    return bool(row and row[0])


def poll(attempt: Callable[[], T | None], *, wait: float, holder: Callable[[], str], waiting: Callable[[str], None]) -> T:
    """Try until it succeeds. Raises LockedError that names the holder after `wait` seconds."""
    deadline = time.monotonic() + wait
    pause = 0.05
    while (result := attempt()) is None:
        other = holder()
        if time.monotonic() >= deadline:
            raise LockedError(f"another run holds the lock of this database: {other}", hint="wait for it, or give --lock-wait more seconds")
        waiting(other)
        time.sleep(min(pause, max(deadline - time.monotonic(), 0)))
        pause = min(pause * 1.5, 1.0)
    return result


def release(connection: psycopg.Connection[tuple[Any, ...]], key: int) -> None:
    """Give the lock back; closing the connection does so too."""
    connection.execute("SELECT pg_advisory_unlock(%s, %s)", [SPACE, key])


def holder_of(connection: psycopg.Connection[tuple[Any, ...]], key: int) -> str:
    """Describe who holds the lock: pid, application, host, user, since when, and at which migration the run is."""
    row = connection.execute(sql("lock_holder").encode(), {"space": SPACE, "key": key, "execute": EXECUTE}).fetchone()
    if row is None:
        return "it has just been given back"
    pid, application, host, user, seconds, what = row
    seen = f" from {host}, for {seconds} s" if seconds is not None else ""  # another role's session shows neither
    return f"pid {pid} ({application or 'unknown program'}, {user}{seen})" + (f", at {what}" if what else "")
