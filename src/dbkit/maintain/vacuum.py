"""VACUUM where it is needed, in the order of need, within a time budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.errors import DbkitError
from dbkit.postgres.connect import Database, server_error

if TYPE_CHECKING:
    import psycopg

QUICK = {"lock_timeout": "3s", "idle_session_timeout": "0"}


@dataclass(frozen=True, slots=True)
class VacuumStep:
    """One table to vacuum: why, and the command that does it."""

    table: str
    reason: str
    command: str


@dataclass(frozen=True, slots=True)
class VacuumResult:
    """What came of a step. Sizes are bytes, dead rows the server's own estimate.

    `outcome` is `vacuumed`, `skipped` (the budget was spent) or `failed` with `message`.
    """

    step: VacuumStep
    outcome: str
    seconds: float
    dead_rows_before: int
    dead_rows_after: int
    bytes_before: int
    bytes_after: int
    message: str = ""


def plan_vacuum(database: Database, *, everything: bool) -> list[VacuumStep]:
    """Ask the installed `ops.vacuum_all_tables` what needs it, most urgent first."""
    with database.connect("vacuum", _as(database)) as connection:
        row = connection.execute("SELECT to_regprocedure('ops.vacuum_all_tables(boolean)') IS NOT NULL").fetchone()
        if not row or not row[0]:
            raise DbkitError(
                f"{database.service}: the ops functions are not installed there",
                hint="name `ops` in the service's `shared` and run `dbkit migrate`",
            )
        rows = connection.execute("SELECT table_name, reason, command FROM ops.vacuum_all_tables(%s) ORDER BY place", [not everything])
        return [VacuumStep(*row) for row in rows.fetchall()]


def vacuum(
    database: Database, steps: list[VacuumStep], *, budget: float | None, jobs: int, done: Callable[[VacuumResult], None]
) -> list[VacuumResult]:
    """Run the steps, each on a table of its own, `jobs` at a time.

    `budget` is in seconds: what it does not reach is skipped, what has begun is finished.
    """
    deadline = time.monotonic() + budget if budget is not None else None

    def run(step: VacuumStep) -> VacuumResult:
        if deadline is not None and time.monotonic() >= deadline:
            result = VacuumResult(step, "skipped", 0.0, 0, 0, 0, 0, "the time budget is spent")
        else:
            result = _run(database, step)
        done(result)
        return result

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return list(pool.map(run, steps))


def _run(database: Database, step: VacuumStep) -> VacuumResult:
    import psycopg

    with database.connect("vacuum", _as(database), **QUICK) as connection:
        dead, size = _figures(connection, step.table)
        started = time.monotonic()
        try:
            connection.execute(step.command.encode())
        except psycopg.Error as exc:
            message = server_error(exc, doing=step.command).message
            return VacuumResult(step, "failed", time.monotonic() - started, dead, dead, size, size, message)
        seconds = time.monotonic() - started
        connection.execute("SELECT pg_stat_clear_snapshot()")
        dead_after, size_after = _figures(connection, step.table)
    return VacuumResult(step, "vacuumed", seconds, dead, dead_after, size, size_after)


def _figures(connection: psycopg.Connection[tuple[Any, ...]], table: str) -> tuple[int, int]:
    row = connection.execute(
        "SELECT coalesce(pg_stat_get_dead_tuples(%s::regclass), 0), coalesce(pg_total_relation_size(%s::regclass), 0)", [table, table]
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _as(database: Database) -> str:
    """Vacuum as the superuser on an embedded server, where catalogs need it too."""
    return "superuser" if database.server else "migrator"
