"""Taking over a database that was there before: migrations are marked as applied without being run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.migrate.applied import is_applied
from dbkit.migrate.check import check
from dbkit.migrate.engine import Engine, Listener, engine, finish, prepare
from dbkit.migrate.plan import find
from dbkit.migrate.unit import run_in_transaction
from dbkit.postgres import journal
from dbkit.postgres.connect import authority, open_watcher, refuse_read_only
from dbkit.source.files import Migration, load_migrations

if TYPE_CHECKING:
    import psycopg

    from dbkit.postgres.connect import Database
    from dbkit.postgres.journal import Run


def plan_baseline(database: Database, connection: psycopg.Connection[tuple[object, ...]], to: str | None) -> list[Migration]:
    """Return the migrations up to `to` (all, if None).

    Raises ConfigurationError where one of them can't be read, or is applied already.
    """
    files = load_migrations(database.target.project, database.service)
    chosen = files[: find(files, to) + 1] if to is not None else files
    if not chosen:
        raise ConfigurationError(f"{database.service} has no migration to mark", hint=f"`dbkit new {database.service} NAME` writes one")
    journal.refuse_newer(journal.version(connection))
    state = journal.state(connection, database.service)
    for migration in chosen:
        check(migration, "up", database.target.schema)
        if is_applied(migration, state):
            raise ConfigurationError(
                f"{migration.id} is applied already",
                hint="a baseline is for a database that dbkit did not make; `dbkit migrate` goes on here",
            )
    return chosen


def baseline(
    database: Database,
    run: Run,
    listener: Listener,
    *,
    to: str | None,
    reason: str,
    detail: dict[str, str] | None = None,
    lock_wait: float = 60.0,
) -> list[Migration]:
    """Mark the migrations as applied, all in one transaction, with the reason; return them."""
    watcher, pooled = open_watcher(database, "baseline")
    with watcher:
        who = authority(watcher, database.target)
        refuse_read_only(database, who)
        plan_baseline(database, watcher, to)
        with engine(database, watcher, who, run, listener, pooled=pooled, lock_wait=lock_wait) as work:
            prepare(work)
            chosen = plan_baseline(database, watcher, to)

            def mark() -> None:
                for migration in chosen:
                    journal.mark(work.connection, run, database.target.schema, migration.name, "mark")
                    record(work.connection, run, "baselined", migration, {"reason": reason} | (detail or {}))

            run_in_transaction(work.session, name="the baseline", text="", source=None, mark=mark)
            finish(work, {"baselined": len(chosen)})
    return chosen


def recognise(work: Engine, migration: Migration) -> None:
    """Mark a baseline whose migrations the database has; they stay in the journal, with the texts of their rollbacks."""
    first, last = (name.partition("/")[2] for name in (migration.squashes[0], migration.squashes[-1]))
    reason = f"stands for {len(migration.squashes)} migrations that are applied, {first} to {last}"

    def mark() -> None:
        journal.mark(work.connection, work.run, work.database.target.schema, migration.name, "apply")
        record(work.connection, work.run, "baselined", migration, {"reason": reason})

    run_in_transaction(work.session, name=migration.id, text="", source=None, mark=mark)
    work.tell("recognised", migration.id, reason)


def texts(migration: Migration, detail: dict[str, Any]) -> dict[str, Any]:
    """Return what a row of the journal keeps of a migration beside `detail`: its texts, or length and hash of a large one."""
    script, rollback = migration.script, migration.rollback
    if script.is_large:
        detail = detail | {"stored": "no", "length": script.length}
    if rollback and rollback.is_large:
        detail = detail | {"rollback": {"stored": "no", "length": rollback.length, "hash": rollback.digest}}
    if migration.irreversible:
        detail = detail | {"irreversible": migration.irreversible}
    if migration.squashes:
        detail = detail | {"squashes": list(migration.squashes)}
    return {
        "rendered": None if script.is_large else script.text,
        "rollback": rollback.text if rollback and not rollback.is_large else None,
        "text_hash": script.digest,
        "checksum": script.checksum,
        "detail": detail or None,
    }


def record(connection: psycopg.Connection[tuple[object, ...]], run: Run, event: str, migration: Migration, detail: dict[str, Any]) -> None:
    """Write a migration's texts as they are now, under an event that leaves it applied."""
    journal.append(
        connection,
        run,
        event,
        "migration",
        migration.id,
        **texts(migration, detail),
    )
