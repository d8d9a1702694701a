"""The months of partitioned tables: made ahead, taken off behind, one short lock at a time.

What leaves is written down first (`ops.partition_exits`), so that a run that died is finished by the next. Every step is
a transaction of its own with a short lock_timeout, which grows from try to try: so long waits who writes, at most.
"""

from __future__ import annotations

import gzip
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dbkit.errors import DbkitError
from dbkit.postgres.connect import SESSION, Database, authority, server_error
from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

T = TypeVar("T")
# milliseconds, a try after the other: who writes waits behind us that long at most. Always less than the server's usual
# deadlock_timeout of 1 s: where our order of locking is not the writers', it is we who must give up
LOCK_TIMEOUTS = (100, 200, 400, *[800] * 20)
# lock_not_available, deadlock_detected: somebody else was first
BUSY = {"55P03", "40P01"}
WRITE_DOWN = """
INSERT INTO ops.partition_exits (partition_name, table_name, starts_at, ends_at, archive) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (partition_name) DO UPDATE SET dropped_at = NULL, archive = excluded.archive
"""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A partition past its retention; `state` is attached, detaching or detached, `archive` the file that a run before wanted."""

    table: str
    partition: str
    starts_at: datetime
    ends_at: datetime
    state: str
    release: str | None
    archive: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do: the tables that lack a month, and what leaves, in that order."""

    missing: list[str]
    leaving: list[Leaving]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one table or partition: `made`, `dropped` or `failed` with the reason."""

    outcome: str
    what: str
    note: str = ""


def plan_partitions(database: Database) -> Plan:
    """Ask the installed `ops` functions; nothing is changed."""
    with _open(database) as connection:
        missing = connection.execute(sql("tables_without_months").encode()).fetchall()
        return Plan([table for (table,) in missing], _leaving(connection))


def keep_partitions(database: Database, done: Callable[[Done], None], archive: Path | None = None) -> list[Done]:
    """Make the months ahead, then finish and take off what leaves, each into a file of `archive` first, where that is given."""
    results: list[Done] = []

    def told(result: Done) -> None:
        results.append(result)
        done(result)

    with _open(database) as connection:
        for result in _make(connection):
            told(result)
        for leaving in _leaving(connection):
            try:
                _take_off(connection, leaving, archive)
            except DbkitError as exc:
                told(Done("failed", leaving.partition, f"{exc.message}\n  hint: {exc.hint}" if exc.hint else exc.message))
            else:
                told(Done("dropped", leaving.partition))
    return results


def _open(database: Database) -> Connection:
    with database.connect("partitions") as connection:
        row = connection.execute("SELECT to_regprocedure('ops.leaving_partitions()') IS NOT NULL").fetchone()
        if not row or not row[0]:
            raise DbkitError(
                f"{database.service}: the ops functions are not installed there",
                hint="name `ops` in the service's `shared` and run `dbkit migrate`",
            )
        who = authority(connection, database.target)
    return database.connect("partitions", role=who.owner, **SESSION)


def _leaving(connection: Connection) -> list[Leaving]:
    return [Leaving(*row) for row in connection.execute(sql("leaving_partitions").encode()).fetchall()]


def _make(connection: Connection) -> list[Done]:
    """Make each table's months in a transaction of its own."""
    made = []
    for (table,) in connection.execute(sql("tables_without_months").encode()).fetchall():
        doors = _doors(connection, table)
        months = _insist(connection, partial(_make_months, connection, table, doors), f"make months of {table}")
        if months:
            made.append(Done("made", table, f"{months} months"))
    return made


def _make_months(connection: Connection, table: str, doors: list[list[str]]) -> int:
    """Make a table's months; attaching locks the tables that reference it too."""
    with connection.transaction():
        _lock(connection, doors, "SHARE ROW EXCLUSIVE")
        row = connection.execute("SELECT ops.create_partitions(%s::regclass)", [table]).fetchone()
    return int(row[0]) if row else 0


def _lock(connection: Connection, tables: list[list[str]], mode: str) -> None:
    """Lock them one after the other; the one that can't be had is the first at the next try.

    The server locks what foreign keys tie together in an order of its own, while writers hold one and want the next. What
    we wait for they took before what we hold, so the order of `tables` becomes theirs.
    """
    import psycopg
    from psycopg.sql import SQL, Identifier

    for position, table in enumerate(tables):
        try:
            connection.execute(SQL("LOCK TABLE ONLY {} IN {} MODE").format(Identifier(*table), SQL(mode)))
        except psycopg.Error:
            tables.insert(0, tables.pop(position))
            raise


def _tied(connection: Connection, table: str) -> list[list[str]]:
    """The table, what it references and what references it, roots instead of partitions; empty without foreign keys."""
    return [name for (name,) in connection.execute(sql("tied_tables").encode(), [table]).fetchall()]


def _doors(connection: Connection, table: str) -> list[list[str]]:
    """Return where writers are to be stopped before the server locks what references a table; nowhere, if nothing does."""
    found = connection.execute("SELECT FROM pg_constraint WHERE confrelid = %s::regclass AND contype = 'f'", [table])
    return _tied(connection, table) if found.fetchone() is not None else []


def _take_off(connection: Connection, leaving: Leaving, folder: Path | None) -> None:
    """Go on from where the partition is: released, written down, detached, archived, dropped."""
    from psycopg.sql import Identifier

    partition = Identifier(*_parts(connection, leaving.partition))
    archive = folder.resolve() / f"{leaving.partition}.copy.gz" if folder else Path(leaving.archive) if leaving.archive else None
    _insist(connection, lambda: _release(connection, leaving), f"release {leaving.partition}")
    connection.execute(
        WRITE_DOWN, [leaving.partition, leaving.table, leaving.starts_at, leaving.ends_at, str(archive) if archive else None]
    )
    if leaving.state != "detached":
        doors = _doors(connection, leaving.table)
        _insist(connection, lambda: _detach(connection, leaving, partition, doors), f"detach {leaving.partition}")
    if archive:
        _archive(connection, partition, archive)
    tied = _tied(connection, leaving.partition)
    _insist(connection, lambda: _drop(connection, leaving, partition, tied), f"drop {leaving.partition}")


def _release(connection: Connection, leaving: Leaving) -> None:
    """Ask whether the month may go; asked once more when it is detached, since then nothing new can point into it."""
    from psycopg.sql import SQL, Identifier

    if leaving.release:
        release = SQL("SELECT {}(%s, %s)").format(Identifier(*_parts(connection, leaving.release)))
        connection.execute(release, [leaving.starts_at, leaving.ends_at])


def _detach(connection: Connection, leaving: Leaving, partition: Any, doors: list[list[str]]) -> None:
    """Detach concurrently, or finish what a try before began: it commits in the middle.

    Where others reference the table, all are stopped at the door instead, for a moment. A concurrent detach's other half
    locks the others too, and can't wait behind locks of ours, since it waits for old snapshots itself.
    """
    from psycopg.sql import SQL, Identifier

    pending = connection.execute(
        "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(%s)", [leaving.partition]
    ).fetchone()
    if not pending:
        return
    detach = SQL("ALTER TABLE {} DETACH PARTITION {}").format(Identifier(*_parts(connection, leaving.table)), partition)
    if pending[0]:
        connection.execute(detach + SQL(" FINALIZE"))
    elif doors:
        with connection.transaction():
            _lock(connection, doors, "ACCESS EXCLUSIVE")
            connection.execute(detach)
    else:
        connection.execute(detach + SQL(" CONCURRENTLY"))


def _archive(connection: Connection, partition: Any, path: Path) -> None:
    """Write the rows as COPY has them; the file has its name once it is whole and on the disk."""
    from psycopg.sql import SQL

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".partial")
    with unfinished.open("wb") as file:
        with gzip.open(file, "wb") as packed, connection.cursor().copy(SQL("COPY {} TO STDOUT (HEADER)").format(partition)) as rows:
            for block in rows:
                packed.write(block)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def _drop(connection: Connection, leaving: Leaving, partition: Any, tied: list[list[str]]) -> None:
    """Drop it; the server locks the tables that it references too, to remove its triggers there."""
    from psycopg.sql import SQL

    with connection.transaction():
        _lock(connection, tied, "ACCESS EXCLUSIVE")
        _release(connection, leaving)
        connection.execute(SQL("DROP TABLE {}").format(partition))
        connection.execute("UPDATE ops.partition_exits SET dropped_at = now() WHERE partition_name = %s", [leaving.partition])


def _parts(connection: Connection, name: str) -> list[str]:
    row = connection.execute("SELECT parse_ident(%s)", [name]).fetchone()
    assert row is not None  # noqa: S101 a SELECT without FROM returns a row
    return cast("list[str]", row[0])


def _insist(connection: Connection, step: Callable[[], T], doing: str) -> T:
    """Try a step again while others hold what it needs, each time a little more patiently."""
    import psycopg

    for attempt, patience in enumerate(LOCK_TIMEOUTS, 1):
        connection.execute("SELECT set_config('lock_timeout', %s, FALSE)", [str(patience)])
        try:
            return step()
        except psycopg.Error as exc:
            if exc.sqlstate not in BUSY or attempt == len(LOCK_TIMEOUTS):
                raise server_error(exc, doing=doing) from exc
        time.sleep(random.uniform(0.5, 1.0) * min(patience * attempt, 5000) / 1000)  # noqa: S311 jitter
    raise AssertionError
